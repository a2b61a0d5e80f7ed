import assert from "node:assert/strict";
import { test } from "node:test";
import type { Column, Frame, Plane } from "../data/fgmf";
import { Spans, trace, type Viewport } from "../plot/spans";
import { zoomAt } from "../state/time";
import { random } from "./random";

function frameOf(high: Plane, low: Plane = high, step = 1000, breaks: number[] = []): { frame: Frame; column: Column } {
  const column: Column = { id: "a", low, high, breaks, min: null, max: null, avg: null, p99: null, last: null };
  const frame: Frame = {
    metric: "m", unit: "bytes", t0: 0, step, n: high.length, reduced: low !== high, matched: 1, quantilesOf: "samples", series: [column],
  };
  return { frame, column };
}

const HEIGHT = 101;
const view = (start: number, end: number, width: number): Viewport => ({
  start, end, min: 0, max: 100, width, height: HEIGHT,
});

/** The highest value that the spans show. */
function peak(spans: Spans): number {
  return HEIGHT - 1 - Math.min(...spans.top);
}

test("a spike of one sample is seen at every zoom and every offset", () => {
  const values = new Float64Array(86_400).fill(10);
  const at = 43_211; // On no grid.
  values[at] = 100;
  const { frame, column } = frameOf(values);
  const spans = new Spans();
  let looked = 0;
  let range = { start: 0, end: 86_400_000 };
  while (range.end - range.start > 5_000) {
    for (const width of [64, 333, 870, 1700]) {
      trace(column, frame, view(range.start, range.end, width), spans);
      assert.ok(peak(spans) > 99.9, `${range.start}..${range.end} at ${width} px: ${peak(spans)}`);
      looked++;
    }
    range = zoomAt(range, at * 1000 + 7, 0.83);
  }
  assert.ok(looked > 100);
});

test("the extremes of buckets survive being drawn narrower than they are", () => {
  const high = new Float32Array(5_000).fill(20);
  const low = new Float32Array(5_000).fill(15);
  high[4_321] = 100;
  low[1_234] = 0;
  const { frame, column } = frameOf(high, low);
  const spans = new Spans();
  trace(column, frame, view(0, 5_000_000, 100), spans);
  assert.ok(peak(spans) > 99.9);
  assert.ok(Math.max(...spans.bottom) >= HEIGHT - 1.001);
});

test("the line is unbroken where there are samples", () => {
  const { next } = random(7);
  for (const width of [50, 300, 1000]) {
    const values = Float64Array.from({ length: 400 }, () => 100 * next());
    const { frame, column } = frameOf(values);
    const spans = new Spans();
    trace(column, frame, view(0, 399_000, width), spans);
    for (let x = 0; x < width - 1; x++) {
      assert.ok(spans.top[x] <= spans.bottom[x], `nothing at ${x} of ${width}`);
      // Neighbours touch: from one column to the next there is no hole.
      const gap = Math.max(spans.top[x] - spans.bottom[x + 1], spans.top[x + 1] - spans.bottom[x]);
      assert.ok(gap < 1e-3, `hole of ${gap} at ${x} of ${width}`);
    }
  }
});

test("gaps stay gaps", () => {
  const values = new Float64Array(100).fill(50).fill(Number.NaN, 40, 60);
  const { frame, column } = frameOf(values);
  const spans = new Spans();
  trace(column, frame, view(0, 99_000, 990), spans);
  assert.ok(spans.top[200] <= spans.bottom[200]);
  assert.ok(!(spans.top[500] <= spans.bottom[500]));
  assert.ok(spans.top[700] <= spans.bottom[700]);
});

test("a line is not joined over a break", () => {
  const values = Float64Array.from({ length: 10 }, (_, i) => (i < 5 ? 10 : 90));
  const spans = new Spans();
  const joined = frameOf(values);
  trace(joined.column, joined.frame, view(0, 9_000, 900), spans);
  assert.ok(spans.top[450] <= spans.bottom[450]);
  const broken = frameOf(values, values, 1000, [5]);
  trace(broken.column, broken.frame, view(0, 9_000, 900), spans);
  assert.ok(!(spans.top[450] <= spans.bottom[450]));
});

test("a lone sample between gaps is a dot that can be seen", () => {
  const values = new Float64Array(100).fill(Number.NaN);
  values[50] = 80;
  const { frame, column } = frameOf(values);
  const spans = new Spans();
  trace(column, frame, view(0, 100_000, 500), spans);
  const drawn = [...spans.top].filter((top, x) => top <= spans.bottom[x]).length;
  assert.equal(drawn, 3);
});

test("what lies outside the picture is not drawn into it", () => {
  const { frame, column } = frameOf(new Float64Array(100).fill(50));
  const spans = new Spans();
  trace(column, frame, view(200_000, 300_000, 100), spans);
  assert.ok([...spans.top].every((top, x) => !(top <= spans.bottom[x])));
});
