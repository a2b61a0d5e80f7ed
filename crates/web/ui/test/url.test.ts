import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_VIEW, format, parse, type ViewState } from "../state/url";
import { random } from "./random";

test("any state comes back from its link", () => {
  const { below, next, pick } = random(42);
  const words = ["ns:a|b", "agent", "qos:burstable", '"my pod"', "ü & = # % +", "pod:x-1", ""];
  for (let round = 0; round < 2000; round++) {
    const start = below(2 ** 31) * 1000 + below(1000);
    const view: ViewState = {
      time: next() < 0.5 ? { live: 1 + below(86_400) } : { range: { start, end: start + 1 + below(1e9) } },
      panels: next() < 0.3 ? null : ["cpu_usage_millicores", "memory_current", "io_read_bytes"]
        .slice(0, below(4))
        .map((metric) => ({ metric, flags: pick(["", "d", "op"]) })),
      filter: Array.from({ length: below(4) }, () => pick(words)).join(" "),
      focus: Array.from({ length: below(3) }, () => below(2 ** 31).toString(16).padStart(12, "0")),
      cursor: next() < 0.5 ? null : start + below(1000),
      selection: next() < 0.5 ? null : { start, end: start + 500 },
      heat: pick(["off", null, { metric: "cpu_usage_millicores", sort: "max" }] as const),
      compare: pick(["prev", null, { start: start - 5000, end: start }] as const),
      dashboard: pick([null, "memory"]),
      utc: next() < 0.5,
      theme: pick(["dark", "light", null]),
      rest: next() < 0.5 ? [] : [["run", "r1"], ["zz", pick(["prev", "1..2", "ä=&"])]],
    };
    assert.deepEqual(parse(format(view)), view);
  }
});

test("links are readable", () => {
  const view = parse(
    "#v=1&t=1790000530..1790004130.5&m=cpu_usage_millicores:d,memory_current&f=ns:datadog|shop%20qos:burstable&c=a1b2c3d4e5f6&x=1790001667.25&k=prev",
  );
  assert.deepEqual(view.time, { range: { start: 1_790_000_530_000, end: 1_790_004_130_500 } });
  assert.equal(view.filter, "ns:datadog|shop qos:burstable");
  assert.equal(
    format(view),
    "#v=1&t=1790000530..1790004130.5&m=cpu_usage_millicores:d,memory_current&f=ns:datadog|shop+qos:burstable&c=a1b2c3d4e5f6&x=1790001667.25&k=prev",
  );
});

test("nonsense falls back to the default, piece by piece", () => {
  for (const bad of ["", "#", "#t=5..1", "#t=live:0", "#t=live:-5", "#t=1..2..3", "#t=a..b", "#t=1e3..2e3", "#&&="]) {
    assert.deepEqual(parse(bad).time, DEFAULT_VIEW.time, bad);
  }
  assert.deepEqual(parse("#m=<script>,memory_current,memory_current,A").panels, [{ metric: "memory_current", flags: "" }]);
  assert.deepEqual(parse("#c=xyz,a1b2c3d4e5f6").focus, ["a1b2c3d4e5f6"]);
  assert.equal(parse("#f=100%").filter, "100%");
  assert.equal(parse("#th=pink").theme, null);
  assert.equal(parse(`#m=${Array.from({ length: 20 }, (_, i) => `m${i}`).join(",")}`).panels?.length, 8);
});

test("a page without panels is not the default page", () => {
  const none = { ...DEFAULT_VIEW, panels: [] };
  assert.deepEqual(parse(format(none)).panels, []);
});
