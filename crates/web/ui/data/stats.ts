// What a table says of each series over a range. Exact where the frame holds every sample, else what
// the server computed from them. Pure.

import type { Column, Frame } from "./fgmf";
import type { Range } from "../state/time";

export interface Stats {
  readonly id: string;
  readonly avg: number | null;
  readonly p99: number | null;
  readonly max: number | null;
  readonly last: number | null;
}

export type StatKey = "avg" | "p99" | "max" | "last";

const finite = (value: number | null | undefined): number | null =>
  typeof value === "number" && Number.isFinite(value) ? value : null;

/** What a quantile is called: over roll-ups it is one of buckets' highest values, not of samples. */
export function quantileName(name: string, of = "samples"): string {
  const seconds = /^max_(\d+)s$/.exec(of)?.[1];
  return seconds === undefined ? name : `${name} of max ${seconds} s`;
}

/** The slots of `frame` that lie in `range`, as [first, end). */
export function slotsIn(frame: Frame, range: Range): [number, number] {
  const first = Math.max(0, Math.ceil((range.start - frame.t0) / frame.step));
  const end = Math.min(frame.n, Math.floor((range.end - frame.t0) / frame.step) + 1);
  return [first, Math.max(first, end)];
}

/** One row per series that has a sample in `range`. */
export function summarise(frame: Frame, range: Range): Stats[] {
  const rows = frame.reduced
    ? frame.series.map((column) => ({
        id: column.id,
        avg: finite(column.avg),
        p99: finite(column.p99),
        max: finite(column.max),
        last: finite(column.last),
      }))
    : frame.series.map((column) => fromSamples(column, ...slotsIn(frame, range)));
  return rows.filter(({ max }) => max !== null);
}

function fromSamples({ id, high }: Column, first: number, end: number): Stats {
  const values = new Float64Array(end - first);
  let count = 0;
  let sum = 0;
  for (let i = first; i < end; i++) {
    if (Number.isNaN(high[i])) continue;
    values[count++] = high[i];
    sum += high[i];
  }
  if (count === 0) return { id, avg: null, p99: null, max: null, last: null };
  const last = values[count - 1];
  const sorted = values.subarray(0, count).sort();
  const rank = Math.max(0, Math.ceil(count * 0.99) - 1);
  return { id, avg: sum / count, p99: sorted[rank], max: sorted[count - 1], last };
}

/** Largest first; series without the value last, then by id so that equal rows do not jump. */
export function rank(rows: readonly Stats[], key: StatKey): Stats[] {
  const value = (row: Stats): number => row[key] ?? -Infinity;
  return [...rows].sort((a, b) => value(b) - value(a) || (a.id < b.id ? -1 : 1));
}
