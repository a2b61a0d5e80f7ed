import assert from "node:assert/strict";
import { test } from "node:test";
import { favour, search } from "../state/fuzzy";
import { catalogue } from "../e2e/catalogue.mjs";

const top = (query: string, count = 1): string[] =>
  search(catalogue, query, (metric) => metric, favour)
    .slice(0, count)
    .map(({ item }) => item.id);

test("what a person types finds the metric that is meant", () => {
  const probes: [string, string][] = [
    ["cpu", "cpu_usage_millicores"],
    ["cput", "cpu_throttled_percent"],
    ["throt", "cpu_throttled_percent"],
    ["oom", "memory_events_oom"],
    ["oomk", "memory_events_oom_kill"],
    ["psi mem", "memory_psi_some_percent"],
    ["io wr", "io_write_bytes"],
    ["mpss", "memory_pss"],
    ["memcur", "memory_current"],
    ["ws", "memory_working_set"],
    ["majfault", "memory_pgmajfault"],
    ["net rx", "network_rx_bytes"],
    ["page cache", "memory_file"],
    ["disk read", "io_read_bytes"],
    ["MEMORY_CURRENT", "memory_current"],
  ];
  for (const [query, wanted] of probes) {
    assert.ok(top(query, 3).includes(wanted), `${query}: ${top(query, 6).join(" ")} lacks ${wanted}`);
  }
  const first = probes.filter(([query, wanted]) => top(query)[0] === wanted);
  assert.ok(first.length >= probes.length - 3, `first hits: ${first.map(([query]) => query).join(", ")}`);
});

test("every word must match", () => {
  assert.deepEqual(top("memory zzz"), []);
  assert.deepEqual(top("qqq"), []);
});

test("without a query everything is there, in the order of the catalogue", () => {
  assert.deepEqual(top("", 1000), catalogue.map(({ id }) => id));
  assert.deepEqual(top("   ", 1000).length, catalogue.length);
});

test("marks are the letters of the query", () => {
  const { item, marks } = search(catalogue, "mpss", (metric) => metric)[0];
  assert.equal([...marks].sort((a, b) => a - b).map((at) => item.id[at]).join(""), "mpss");
});
