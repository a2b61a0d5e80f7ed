import assert from "node:assert/strict";
import { test } from "node:test";
import { duration, keepInside, LADDER, ladderStep, MIN_SPAN_MS, pan, span, zoomAt } from "../state/time";
import { random } from "./random";

test("the ladder gives the finest step that has at most one bucket per pixel", () => {
  assert.equal(ladderStep(300_000, 870, 1000), 1000);
  assert.equal(ladderStep(870_000, 870, 1000), 1000);
  assert.equal(ladderStep(3_600_000, 870, 1000), 5_000);
  assert.equal(ladderStep(86_400_000, 870, 1000), 120_000);
  assert.equal(ladderStep(7 * 86_400_000, 870, 1000), 1_800_000);
  assert.equal(ladderStep(3_600_000, 870, 10_000), 10_000);
  assert.equal(ladderStep(60_000, 870, 100), 100);
  const { below } = random(3);
  for (let round = 0; round < 500; round++) {
    const spanMs = 10_000 + below(30 * 86_400_000);
    const px = 100 + below(4000);
    const step = ladderStep(spanMs, px, 1000);
    const at = LADDER.indexOf(step / 1000);
    assert.ok(at >= 0);
    if (at < LADDER.length - 1) assert.ok(spanMs / step <= px);
    if (at > 0) assert.ok(spanMs / (LADDER[at - 1] * 1000) > px);
  }
});

test("zooming keeps the time below the pointer in place", () => {
  const range = { start: 1_790_000_000_000, end: 1_790_003_600_000 };
  for (const share of [0, 0.25, 1]) {
    const at = range.start + share * span(range);
    for (const factor of [0.1, 0.7, 1 / 0.7, 9]) {
      const next = zoomAt(range, at, factor);
      assert.ok(Math.abs(next.start + share * span(next) - at) <= 1, `${share} ${factor}`);
      assert.ok(Math.abs(span(next) - span(range) * factor) <= 1);
    }
  }
  assert.equal(span(zoomAt(range, range.start, 1e-9)), MIN_SPAN_MS);
});

test("panning keeps the width, and the picture near what is stored", () => {
  const range = { start: 1000_000, end: 2000_000 };
  assert.deepEqual(pan(range, 0.2), { start: 1200_000, end: 2200_000 });
  const stored = { start: 0, end: 10_000_000 };
  assert.deepEqual(keepInside(range, stored), range);
  assert.deepEqual(keepInside(pan(range, 50), stored), { start: 9_500_000, end: 10_500_000 });
  assert.deepEqual(keepInside(pan(range, -50), stored), { start: -500_000, end: 500_000 });
});

test("lengths of time are written in their two largest units", () => {
  const cases: [number, string][] = [
    [1500, "1.5s"], [45_000, "45s"], [60_000, "1m"], [150_000, "2m 30s"], [3_600_000, "1h"],
    [5_400_000, "1h 30m"], [3_601_000, "1h"], [7 * 86_400_000 + 7_200_000, "7d 2h"],
  ];
  for (const [ms, text] of cases) assert.equal(duration(ms), text);
});
