// Which value lies below a time, and which lines are nearest to the pointer. Pure.

import type { Column, Frame } from "../data/fgmf";

/** The extremes of one series under one time. */
export interface Reading {
  readonly low: number;
  readonly high: number;
}

/** A series near the pointer. */
export interface Hit extends Reading {
  readonly id: string;
  /** Pixels between pointer and line. */
  readonly distance: number;
}

/** The slot that stands for `time`, or -1 outside the frame. */
export function slotAt(frame: Frame, time: number): number {
  const exact = (time - frame.t0) / frame.step;
  const slot = frame.reduced ? Math.floor(exact) : Math.round(exact);
  return slot >= 0 && slot < frame.n ? slot : -1;
}

/** What `column` has at `time`; null where it has no sample. */
export function reading(column: Column, frame: Frame, time: number): Reading | null {
  const slot = slotAt(frame, time);
  if (slot < 0) return null;
  const low = column.low[slot];
  const high = column.high[slot];
  return Number.isNaN(high) ? null : { low, high };
}

/** The `count` series whose lines are nearest to the height `y` (pixels) at `time`. */
export function nearest(
  frame: Frame,
  columns: readonly Column[],
  time: number,
  y: number,
  toPixel: (value: number) => number,
  count: number,
): Hit[] {
  const hits: Hit[] = [];
  for (const column of columns) {
    const value = reading(column, frame, time);
    if (value === null) continue;
    const top = toPixel(value.high);
    const bottom = toPixel(value.low);
    const distance = y < top ? top - y : y > bottom ? y - bottom : 0;
    hits.push({ id: column.id, low: value.low, high: value.high, distance });
  }
  hits.sort((a, b) => a.distance - b.distance || b.high - a.high);
  return hits.slice(0, count);
}
