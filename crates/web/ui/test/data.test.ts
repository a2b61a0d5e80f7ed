import assert from "node:assert/strict";
import { test } from "node:test";
import { append } from "../data/append";
import type { Column, Frame } from "../data/fgmf";
import { quantileName, rank, summarise } from "../data/stats";
import { nearest, reading } from "../plot/hit";
import { limitOf } from "../state/limits";
import { chosen, terms, toggle } from "../state/select";
import vectors from "./sel-vectors.json";

const NO = Number.NaN;

function frame(t0: number, series: Record<string, number[]>, breaks: number[] = []): Frame {
  const columns = Object.entries(series).map(([id, values]): Column => {
    const high = Float64Array.from(values);
    return { id, low: high, high, breaks, min: null, max: null, avg: null, p99: null, last: null };
  });
  const n = columns[0]?.high.length ?? 0;
  return { metric: "m", unit: "bytes", t0, step: 1000, n, reduced: false, matched: columns.length, quantilesOf: "samples", series: columns };
}
const rows = (from: Frame | null): Record<string, number[]> =>
  Object.fromEntries((from?.series ?? []).map(({ id, high }) => [id, [...high]]));

test("new samples are joined, old ones fall off, newcomers begin with a gap", () => {
  const old = frame(10_000, { a: [1, 2, 3], b: [4, 5, 6] });
  const more = frame(12_000, { a: [3, 7], c: [8, 9] });
  const joined = append(old, more, { start: 11_000, end: 13_000 });
  assert.equal(joined?.t0, 11_000);
  assert.equal(joined?.n, 3);
  assert.deepEqual(rows(joined), { a: [2, 3, 7], b: [5, 6, NO], c: [NO, 8, 9] });
});

test("frames with a hole between them are not joined", () => {
  const old = frame(10_000, { a: [1, 2, 3] });
  assert.equal(append(old, frame(15_000, { a: [1] }), { start: 0, end: 20_000 }), null);
  assert.notEqual(append(old, frame(14_000, { a: [1] }), { start: 0, end: 20_000 }), null);
  assert.equal(append({ ...old, reduced: true }, frame(12_000, { a: [1] }), { start: 0, end: 1 }), null);
  assert.equal(append(old, { ...frame(12_000, { a: [1] }), step: 2000 }, { start: 0, end: 1 }), null);
});

test("breaks move with their slots", () => {
  const old = frame(10_000, { a: [1, 2, 3, 4] }, [2]);
  const joined = append(old, frame(13_000, { a: [4, 5, 6] }, [1]), { start: 11_000, end: 15_000 });
  assert.deepEqual([...(joined?.series[0].breaks ?? [])], [1, 3]);
});

test("the table is computed from the samples in sight", () => {
  const values = Array.from({ length: 200 }, (_, i) => i);
  const [row] = summarise(frame(0, { a: values }), { start: 100_000, end: 199_000 });
  assert.deepEqual(row, { id: "a", avg: 149.5, p99: 198, max: 199, last: 199 });
  assert.deepEqual(summarise(frame(0, { a: [NO, NO] }), { start: 0, end: 9_000 }), []);
});

test("of buckets the server's own numbers are shown", () => {
  const from = frame(0, { a: [1, 2] });
  const reduced = { ...from, reduced: true, series: [{ ...from.series[0], avg: 7, p99: 8, max: 9, last: 6 }] };
  assert.deepEqual(summarise(reduced, { start: 0, end: 1 }), [{ id: "a", avg: 7, p99: 8, max: 9, last: 6 }]);
});

test("ranking puts what has no value last", () => {
  const row = (id: string, p99: number | null) => ({ id, avg: 1, p99, max: 1, last: 1 });
  assert.deepEqual(rank([row("a", null), row("b", 1), row("c", 3)], "p99").map(({ id }) => id), ["c", "b", "a"]);
});

test("the nearest lines are those nearest in pixels", () => {
  const from = frame(0, { a: [10, 10], b: [50, 50], c: [90, NO] });
  const hits = nearest(from, from.series, 1_000, 45, (value) => 100 - value, 3);
  assert.deepEqual(hits.map(({ id, distance }) => [id, distance]), [["b", 5], ["a", 45]]);
  assert.equal(reading(from.series[2], from, 1_000), null);
  assert.equal(reading(from.series[2], from, 60_000), null);
});

test("the CPU limit is quota over period", () => {
  const metric = {
    id: "cpu_usage_millicores", title: "", category: "cpu", kind: "gauge", unit: "millicores", help: "", limit: null, derived: false,
  };
  const frames: Record<string, Frame> = {
    cpu_quota_usec: frame(0, { a: [50_000, 20_000], b: [NO, NO] }),
    cpu_period_usec: frame(0, { a: [100_000, 100_000], b: [100_000, 100_000] }),
  };
  const get = (id: string): Frame | null => frames[id] ?? null;
  assert.deepEqual([...(limitOf(metric, get, "a")?.column.high ?? [])], [500, 200]);
  assert.equal(limitOf(metric, get, "b"), null);
  assert.equal(limitOf({ ...metric, id: "memory_current" }, get, "a"), null);
});

test("chips edit the text and leave the rest of it alone", () => {
  assert.equal(toggle("", "ns", "shop"), "ns:shop");
  assert.equal(toggle("agent ns:shop has:oom", "ns", "kube system"), 'agent ns:shop|"kube system" has:oom');
  assert.equal(toggle('agent ns:shop|"kube system"', "ns", "shop"), 'agent ns:"kube system"');
  assert.equal(toggle("ns:shop agent", "ns", "shop"), "agent");
  assert.equal(toggle('"my pod" ns:a', "qos", "burstable"), '"my pod" ns:a qos:burstable');
  assert.deepEqual(chosen('ns:a|"b c" qos:burstable', "ns"), ["a", "b c"]);
  assert.deepEqual(chosen("agent", "qos"), []);
});

/** What the server makes of a selection text, to see that editing it keeps its meaning. */
function selected(text: string): string[] {
  return vectors.containers
    .filter((one) =>
      terms(text).every(({ key, values }) => {
        const wanted = values.map((value) => value.toLowerCase()).filter(Boolean);
        const has = (part: string | null): boolean => wanted.some((value) => (part ?? "").toLowerCase().includes(value));
        if (wanted.length === 0) return true;
        switch (key) {
          case "ns":
            return wanted.includes((one.namespace ?? "").toLowerCase());
          case "qos":
            return wanted.includes((one.qos ?? "").toLowerCase());
          case "pod":
            return has(one.pod);
          case "container":
            return has(one.name);
          case "image":
            return has(one.image);
          case "node":
            return has(one.node);
          case "label":
            return wanted.some((value) =>
              Object.entries(one.labels ?? {}).some(([name, label]) => `${name}=${label}`.toLowerCase().startsWith(value)),
            );
          default: {
            const path = `${one.namespace ?? ""}/${one.pod ?? ""}/${one.name}`.toLowerCase();
            const letters = key === "" ? wanted[0] : `${key}:${wanted[0]}`;
            let at = -1;
            const inOrder = [...letters].every((letter) => (at = path.indexOf(letter, at + 1)) >= 0);
            return inOrder || one.container_id.startsWith(letters);
          }
        }
      }),
    )
    .map(({ name }) => name);
}

test("a text means the same after a chip was switched on and off", () => {
  let compared = 0;
  for (const [text, names] of vectors.selections as [string, string[]][]) {
    assert.deepEqual(selected(text), names, text);
    if (text.split("ns:").length > 2) continue; // Of two such terms the first is edited.
    const edited = toggle(toggle(text, "ns", "zzz"), "ns", "zzz");
    assert.deepEqual(selected(edited), names, `${text} -> ${edited}`);
    compared++;
  }
  assert.ok(compared > 25);
  assert.equal(toggle("ns:SHOP", "ns", "shop"), "");
});

test("a quantile of roll-ups is named so", () => {
  assert.equal(quantileName("p99"), "p99");
  assert.equal(quantileName("p99", "samples"), "p99");
  assert.equal(quantileName("p99", "max_600s"), "p99 of max 600 s");
});
