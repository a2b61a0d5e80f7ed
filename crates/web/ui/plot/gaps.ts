// Where nobody has a sample: hatched, since that is not the same as zero.

import type { Frame } from "../data/fgmf";

/** A run of slots. */
export interface Gap {
  readonly from: number;
  /** Behind the last. */
  readonly to: number;
}

/** A sample that came late, or that is still on its way, is no gap. */
const FEW_SLOTS = 2;

const known = new WeakMap<Frame, readonly Gap[]>();

/** The longer runs of slots in which no series of the frame has a value; none without series. */
export function gaps(frame: Frame): readonly Gap[] {
  const before = known.get(frame);
  if (before) return before;
  const filled = new Uint8Array(frame.n);
  for (const { high } of frame.series) {
    for (let i = 0; i < frame.n; i++) if (!Number.isNaN(high[i])) filled[i] = 1;
  }
  const found: Gap[] = [];
  let from = -1;
  for (let i = 0; i <= frame.n; i++) {
    const isEmpty = i < frame.n && filled[i] === 0;
    if (isEmpty && from < 0) from = i;
    if (isEmpty || from < 0) continue;
    if (i - from > FEW_SLOTS) found.push({ from, to: i });
    from = -1;
  }
  const list = frame.series.length > 0 ? found : [];
  known.set(frame, list);
  return list;
}

const EVERY_PX = 7;

/** Hatches a box. */
export function hatch(
  pen: CanvasRenderingContext2D,
  box: { readonly left: number; readonly top: number; readonly width: number; readonly height: number },
  colour: string,
  ratio = 1,
): void {
  const { left, top, width, height } = box;
  pen.save();
  pen.beginPath();
  pen.rect(left, top, width, height);
  pen.clip();
  pen.strokeStyle = colour;
  pen.lineWidth = ratio;
  pen.beginPath();
  // On one grid for all boxes: neighbours do not shift against each other.
  const every = EVERY_PX * ratio;
  for (let at = Math.floor((left - height) / every) * every; at < left + width; at += every) {
    pen.moveTo(at, top + height);
    pen.lineTo(at + height, top);
  }
  pen.stroke();
  pen.restore();
}
