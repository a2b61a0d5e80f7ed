// From samples to pixels: for every pixel column the stretch that a line covers in it. Joining the
// extremes of all samples below a column, instead of picking one, is why a spike that lasts one
// sample is seen at every zoom. Pure.

import type { Column, Frame } from "../data/fgmf";

/** What part of time and value the picture shows, and how many pixels it has. */
export interface Viewport {
  readonly start: number;
  readonly end: number;
  readonly min: number;
  readonly max: number;
  readonly width: number;
  readonly height: number;
}

/** Per pixel column the covered stretch, in pixels from the top; `top > bottom` = nothing. */
export class Spans {
  top = new Float32Array(0);
  bottom = new Float32Array(0);

  reset(width: number): void {
    if (this.top.length !== width) {
      this.top = new Float32Array(width);
      this.bottom = new Float32Array(width);
    }
    this.top.fill(Infinity);
    this.bottom.fill(-Infinity);
  }

  extend(x: number, top: number, bottom: number): void {
    if (x < 0 || x >= this.top.length) return;
    if (top < this.top[x]) this.top[x] = top;
    if (bottom > this.bottom[x]) this.bottom[x] = bottom;
  }
}

/** A lone sample between two gaps is drawn this many columns wide, or nobody would see it. */
const DOT_HALF = 1;

/** Where slot `i` of `frame` is drawn: at its sample, or in the middle of its bucket. */
export const slotTime = (frame: Frame, i: number): number =>
  frame.t0 + (frame.reduced ? i + 0.5 : i) * frame.step;

/** Fills `spans` with the line of `column`. */
export function trace(column: Column, frame: Frame, view: Viewport, spans: Spans): void {
  const { start, end, min, max, width, height } = view;
  spans.reset(width);
  const { low, high, breaks } = column;
  const pxPerMs = width / (end - start);
  const pxPerUnit = (height - 1) / (max - min);
  // One slot more on both sides, whose lines lead into the picture.
  const first = Math.max(0, Math.floor((start - frame.t0) / frame.step) - 1);
  const last = Math.min(frame.n - 1, Math.ceil((end - frame.t0) / frame.step) + 1);
  const firstX = (slotTime(frame, 0) - start) * pxPerMs;
  const stepX = frame.step * pxPerMs;
  let nextBreak = 0;
  let joined = false; // Whether the slot before has a value that the line comes from.
  let fromX = 0;
  let fromY = 0;
  // The column of pixels at hand, and what is covered in it: many slots may share it.
  let fromPixel = -1;
  let highest = Infinity;
  let lowest = -Infinity;
  for (let i = first; i <= last; i++) {
    while (nextBreak < breaks.length && breaks[nextBreak] < i) nextBreak++;
    if (breaks[nextBreak] === i) joined = false;
    const value = high[i];
    if (Number.isNaN(value)) {
      joined = false;
      continue;
    }
    const top = height - 1 - (value - min) * pxPerUnit;
    const bottom = low === high ? top : height - 1 - (low[i] - min) * pxPerUnit;
    const x = firstX + i * stepX;
    const y = (top + bottom) / 2;
    const pixel = Math.floor(x);
    if (pixel !== fromPixel) {
      spans.extend(fromPixel, highest, lowest);
      highest = Infinity;
      lowest = -Infinity;
    }
    if (top < highest) highest = top;
    if (bottom > lowest) lowest = bottom;
    if (!joined) {
      if (i === last || Number.isNaN(high[i + 1]) || breaks.includes(i + 1)) {
        for (let dx = -DOT_HALF; dx <= DOT_HALF; dx++) spans.extend(pixel + dx, top, bottom);
      }
    } else if (pixel !== fromPixel) {
      // Within one column of pixels its two ends cover a line.
      join(spans, fromX, fromY, x, y);
    }
    joined = true;
    fromX = x;
    fromY = y;
    fromPixel = pixel;
  }
  spans.extend(fromPixel, highest, lowest);
}

/** Covers the straight line between two points, column by column. */
function join(spans: Spans, x0: number, y0: number, x1: number, y1: number): void {
  const first = Math.max(0, Math.floor(x0));
  const last = Math.min(spans.top.length - 1, Math.floor(x1));
  const slope = (y1 - y0) / (x1 - x0);
  for (let x = first; x <= last; x++) {
    const a = y0 + slope * (Math.max(x, x0) - x0);
    const b = y0 + slope * (Math.min(x + 1, x1) - x0);
    if (a < b) spans.extend(x, a, b);
    else spans.extend(x, b, a);
  }
}
