// Live frames: new samples are joined to those already here, and the oldest fall off. Pure.

import type { Column, Frame, Plane } from "./fgmf";
import type { Range } from "../state/time";

/**
 * `old` and `more` on one grid, cut to `range`. Null where they do not fit together, so that the
 * caller asks for the whole range again.
 */
export function append(old: Frame, more: Frame, range: Range): Frame | null {
  const { step } = old;
  const shift = (more.t0 - old.t0) / step;
  if (old.reduced || more.reduced || more.step !== step || !Number.isInteger(shift)) return null;
  if (shift > old.n + 1) return null; // Samples between them would be missing.
  const first = Math.max(0, Math.floor((range.start - old.t0) / step));
  const end = Math.max(old.n, shift + more.n);
  const n = Math.max(0, end - first);
  const added = new Map(more.series.map((column) => [column.id, column]));
  const join = (before: Column | undefined, after: Column | undefined): Column | null => {
    const from = after ?? before;
    if (!from) return null;
    const values: Plane = new Float64Array(n).fill(Number.NaN);
    if (before) values.set(before.high.subarray(first, old.n));
    if (after) {
      const skip = Math.max(0, first - shift);
      values.set(after.high.subarray(skip), shift + skip - first);
    }
    const breaks = [
      ...(before?.breaks ?? []).filter((slot) => slot < shift || !after),
      ...(after?.breaks ?? []).map((slot) => slot + shift),
    ];
    return {
      ...from,
      low: values,
      high: values,
      breaks: breaks.map((slot) => slot - first).filter((slot) => slot > 0),
    };
  };
  const series: Column[] = [];
  for (const before of old.series) {
    const joined = join(before, added.get(before.id));
    added.delete(before.id);
    if (joined) series.push(joined);
  }
  for (const after of added.values()) {
    const joined = join(undefined, after);
    if (joined) series.push(joined);
  }
  const matched = Math.max(old.matched, more.matched, series.length);
  return { ...old, t0: old.t0 + first * step, n, matched, series };
}
