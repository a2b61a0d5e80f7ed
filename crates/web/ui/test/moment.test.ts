import assert from "node:assert/strict";
import { test } from "node:test";
import { moment } from "../state/moment";

const NOW = Date.UTC(2026, 10, 24, 15, 2, 10);

test("a moment is understood as people type it", () => {
  const cases: [string, number][] = [
    ["-10m", NOW - 600_000],
    ["- 1.5h", NOW - 5_400_000],
    ["14:21:07", Date.UTC(2026, 10, 24, 14, 21, 7)],
    ["14:21", Date.UTC(2026, 10, 24, 14, 21)],
    // Clocks have not shown this today: it was yesterday.
    ["23:00", Date.UTC(2026, 10, 23, 23)],
    ["14:21z", Date.UTC(2026, 10, 24, 14, 21)],
    ["1790000530", 1_790_000_530_000],
    ["1790000530.25", 1_790_000_530_250],
    ["1790000530123", 1_790_000_530_123],
    ["2026-11-24T14:21:07Z", Date.UTC(2026, 10, 24, 14, 21, 7)],
    ["2026-11-24T16:21:07+02:00", Date.UTC(2026, 10, 24, 14, 21, 7)],
    ["2026-11-24 14:21", Date.UTC(2026, 10, 24, 14, 21)],
    ["2026-11-24", Date.UTC(2026, 10, 24)],
  ];
  for (const [text, at] of cases) assert.equal(moment(text, NOW, true), at, text);
});

test("what is no moment is none", () => {
  for (const text of ["", "redis", "25:00", "12:99", "10m", "-10x", "2026-13-45", "12345", "14:2"]) {
    assert.equal(moment(text, NOW, true), null, text);
  }
});
