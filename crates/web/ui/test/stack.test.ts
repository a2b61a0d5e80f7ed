import assert from "node:assert/strict";
import { test } from "node:test";
import type { Column, Frame } from "../data/fgmf";
import { over } from "../data/range";
import { parts, stack, SUM, sum } from "../state/stack";

const column = (id: string, high: number[], low = high): Column => ({
  id,
  low: Float64Array.from(low),
  high: Float64Array.from(high),
  breaks: [],
  min: null,
  max: null,
  avg: null,
  p99: null,
  last: null,
});
const frame = (metric: string, series: Column[], reduced = false): Frame => ({
  metric,
  unit: "count",
  t0: 1000,
  step: 1000,
  n: series[0]?.high.length ?? 0,
  reduced,
  matched: series.length, quantilesOf: "samples",
  series,
});
const NONE = Number.NaN;

test("layers stand on each other, and a hole is where nobody has data", () => {
  const columns = [column("a", [1, NONE, NONE]), column("b", [2, 3, NONE])];
  const [a, b] = stack(frame("m", columns), columns);
  assert.deepEqual([...a.low], [0, 0, NONE]);
  assert.deepEqual([...a.high], [1, 0, NONE]);
  assert.deepEqual([...b.low], [...a.high]);
  assert.deepEqual([...b.high], [3, 3, NONE]);
});

test("the sum is of those who have data; nobody's is none", () => {
  const { series } = sum(frame("m", [column("a", [1, NONE, NONE]), column("b", [2, 3, NONE])]));
  assert.equal(series[0].id, SUM);
  assert.deepEqual([...series[0].high], [3, 3, NONE]);
  assert.equal(series[0].max, 3);
  assert.deepEqual(sum(frame("m", [])).series, []);
});

test("the parts of one container make a frame, or none while one is missing", () => {
  const anon = frame("anon", [column("x", [1, 2]), column("y", [9, 9])]);
  const file = frame("file", [column("x", [3, 4])]);
  const made = parts([anon, file], "x", "breakdown");
  assert.deepEqual(made?.series.map(({ id, high }) => [id, [...high]]), [["anon", [1, 2]], ["file", [3, 4]]]);
  assert.equal(parts([anon, null], "x", "breakdown"), null);
  assert.equal(parts([anon, { ...file, t0: 2000 }], "x", "breakdown"), null);
});

test("the numbers of a stretch count what lies in it, and what is missing", () => {
  const one = column("a", [1, 2, NONE, 4, 100]);
  const stats = over(one, frame("m", [one]), { start: 1000, end: 4000 });
  assert.deepEqual(stats, { min: 1, avg: 7 / 3, p50: 2, p95: 4, p99: 4, max: 4, count: 3, missing: 1 });
  assert.equal(over(one, frame("m", [one]), { start: 3000, end: 3500 }), null);
  const bucket = column("a", [10], [2]);
  assert.deepEqual(over(bucket, frame("m", [bucket], true), { start: 0, end: 9000 })?.min, 2);
});
