import assert from "node:assert/strict";
import { test } from "node:test";
import type { Column, Frame } from "../data/fgmf";
import { gaps } from "../plot/gaps";

const column = (values: readonly number[]): Column => {
  const plane = Float64Array.from(values);
  return { id: "a", low: plane, high: plane, breaks: [], min: 0, max: 0, avg: 0, p99: 0, last: 0 };
};
const frame = (...series: readonly (readonly number[])[]): Frame => ({
  metric: "m",
  unit: "count",
  quantilesOf: "samples",
  t0: 0,
  step: 1000,
  n: series[0]?.length ?? 10,
  reduced: false,
  matched: series.length,
  series: series.map(column),
});
const _ = Number.NaN;

test("a gap is where nobody has a sample, for longer than one may be late", () => {
  assert.deepEqual(gaps(frame([0, 1, _, _, _, 2, 3])), [{ from: 2, to: 5 }]);
  assert.deepEqual(gaps(frame([0, _, _, _, _, 2], [_, _, _, 1, _, _])), []);
  assert.deepEqual(gaps(frame([_, _, _, 1, _, _])), [{ from: 0, to: 3 }]);
  assert.deepEqual(gaps(frame([1, _, _, _])), [{ from: 1, to: 4 }]);
});

test("without series there is no gap but nothing", () => {
  assert.deepEqual(gaps(frame()), []);
});
