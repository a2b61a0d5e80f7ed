// The numbers of a column over a stretch of time, as far as its slots tell them. Pure.

import type { Column, Frame } from "./fgmf";
import { slotsIn } from "./stats";
import type { Range } from "../state/time";

export interface RangeStats {
  readonly min: number;
  readonly avg: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
  /** Slots with data, and without. */
  readonly count: number;
  readonly missing: number;
}

/** Null where there is no sample. Of buckets, average and quantiles are those of their middles. */
export function over(column: Column, frame: Frame, range: Range): RangeStats | null {
  const [first, end] = slotsIn(frame, range);
  const values: number[] = [];
  let min = Infinity;
  let max = -Infinity;
  for (let i = first; i < end; i++) {
    const high = column.high[i];
    if (Number.isNaN(high)) continue;
    min = Math.min(min, column.low[i]);
    max = Math.max(max, high);
    values.push((column.low[i] + high) / 2);
  }
  if (values.length === 0) return null;
  values.sort((a, b) => a - b);
  const at = (q: number): number => values[Math.max(0, Math.ceil(values.length * q) - 1)];
  const avg = values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    min,
    avg,
    p50: at(0.5),
    p95: at(0.95),
    p99: at(0.99),
    max,
    count: values.length,
    missing: end - first - values.length,
  };
}
