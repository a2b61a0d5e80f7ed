// Series on top of each other, and all of them as one. Pure.

import type { Column, Frame } from "../data/fgmf";

/** One layer of a stack: what lies below it, and where it ends. */
export interface Layer {
  readonly id: string;
  readonly low: Float64Array;
  readonly high: Float64Array;
}

/** The middle of what a slot holds; what has no data adds nothing. */
const amount = ({ low, high }: Column, i: number): number =>
  Number.isNaN(high[i]) ? 0 : (low[i] + high[i]) / 2;

const hasData = (columns: readonly Column[], i: number): boolean =>
  columns.some(({ high }) => !Number.isNaN(high[i]));

/** The layers from bottom to top; where no series has data there is a hole. */
export function stack(frame: Frame, columns: readonly Column[]): Layer[] {
  let below = new Float64Array(frame.n);
  for (let i = 0; i < frame.n; i++) if (!hasData(columns, i)) below[i] = Number.NaN;
  return columns.map((column) => {
    const low = below;
    const high = Float64Array.from(low, (value, i) => value + amount(column, i));
    below = high;
    return { id: column.id, low, high };
  });
}

/** The id of the sum among series. */
export const SUM = "sum";

/** All series of a frame added up. Of buckets, the sum of the extremes bounds the extremes of the sum. */
export function sum(frame: Frame): Frame {
  const add = (of: (column: Column) => ArrayLike<number>): Float64Array =>
    Float64Array.from({ length: frame.n }, (_, i) => {
      let total = Number.NaN;
      for (const column of frame.series) {
        const value = of(column)[i];
        if (!Number.isNaN(value)) total = (Number.isNaN(total) ? 0 : total) + value;
      }
      return total;
    });
  const high = add((column) => column.high);
  const low = frame.reduced ? add((column) => column.low) : high;
  const present = high.filter((value) => !Number.isNaN(value));
  const mean = present.length > 0 ? present.reduce((a, b) => a + b, 0) / present.length : null;
  const sorted = present.slice().sort();
  const column: Column = {
    id: SUM,
    low,
    high,
    breaks: [],
    min: sorted[0] ?? null,
    max: sorted.at(-1) ?? null,
    avg: mean,
    p99: sorted[Math.max(0, Math.ceil(sorted.length * 0.99) - 1)] ?? null,
    last: present.at(-1) ?? null,
  };
  return { ...frame, matched: 1, series: frame.series.length > 0 ? [column] : [] };
}

/** The parts of one container as the series of a frame; null where a part has not come yet. */
export function parts(frames: readonly (Frame | null)[], id: string, metric: string): Frame | null {
  const [first] = frames;
  if (!first) return null;
  const series: Column[] = [];
  for (const frame of frames) {
    if (!frame || frame.n !== first.n || frame.t0 !== first.t0 || frame.step !== first.step) return null;
    const column = frame.series.find((one) => one.id === id);
    if (column) series.push({ ...column, id: frame.metric });
  }
  return { ...first, metric, matched: series.length, reduced: frames.some((frame) => frame?.reduced), series };
}
