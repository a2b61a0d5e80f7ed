// Paints the inside of a panel between uPlot's grid and its overlay: crowd, lines, limit, markers.

import type { Column, Frame } from "../data/fgmf";
import { toLog } from "./axis";
import { gaps, hatch } from "./gaps";
import type { Area, LimitLine, Marker, PanelModel } from "./model";
import { mixed, Raster, rgb } from "./raster";
import { slotTime, Spans, trace, type Viewport } from "./spans";
import type { Theme } from "./theme";

/** The plot area in device pixels. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export class Painter {
  private readonly raster = new Raster();
  private readonly spans = new Spans();
  private readonly sheet = document.createElement("canvas");
  private crowdOf: { readonly crowd: readonly Column[]; readonly key: string } | null = null;

  paint(
    canvas: CanvasRenderingContext2D,
    box: Box,
    values: { readonly min: number; readonly max: number; readonly highest: number },
    model: PanelModel,
    theme: Theme,
    ratio: number,
  ): void {
    const width = Math.round(box.width);
    const height = Math.round(box.height);
    if (width < 2 || height < 2) return;
    const view: Viewport = { ...model.range, min: values.min, max: values.max, width, height };
    const scaled = (column: Column): Column => (model.log ? this.logarithm(column, values.highest) : column);
    const { frame } = model;
    if (frame) drawGaps(canvas, box, view, frame, theme, ratio);
    if (model.selection) drawSelection(canvas, box, view, model.selection, theme);
    // Below the lines: a marker in the same column of pixels would hide a spike.
    canvas.save();
    clip(canvas, box);
    for (const marker of model.markers) drawMarker(canvas, box, view, marker, theme, ratio);
    canvas.restore();
    if (frame && model.areas.length > 0) {
      for (const area of model.areas) drawArea(canvas, box, view, frame, area);
    }
    if (frame && model.crowd.length + model.lines.length + model.ghosts.length > 0) {
      this.lines(view, frame, model, theme, ratio, scaled);
      canvas.drawImage(this.sheet, box.left, box.top, box.width, box.height);
    }
    canvas.save();
    clip(canvas, box);
    if (model.limit) {
      const limit = { ...model.limit, column: scaled(model.limit.column) };
      drawLimit(canvas, box, view, limit, theme, ratio);
    }
    canvas.restore();
    if (model.glyphs) drawGlyphs(canvas, box, view, model.markers, theme, ratio);
  }

  private readonly logs = new WeakMap<Column, { readonly highest: number; readonly column: Column }>();

  /** A column as a logarithmic axis has it, made once. */
  private logarithm(column: Column, highest: number): Column {
    const kept = this.logs.get(column);
    if (kept?.highest === highest) return kept.column;
    const of = (plane: Column["high"]): Float64Array =>
      Float64Array.from(plane, (value) => (Number.isNaN(value) ? value : toLog(value, highest)));
    const high = of(column.high);
    const made = { ...column, high, low: column.low === column.high ? high : of(column.low) };
    this.logs.set(column, { highest, column: made });
    return made;
  }

  private lines(
    view: Viewport,
    frame: Frame,
    model: PanelModel,
    theme: Theme,
    ratio: number,
    scaled: (column: Column) => Column,
  ): void {
    const { raster, spans, sheet } = this;
    this.crowd(view, frame, model.crowd, theme, scaled);
    // Opaque, for blending each pixel of a steep line costs more than all the rest.
    const surface = rgb(theme.surface);
    for (const ghost of model.ghosts) {
      trace(scaled(ghost.column), ghost.frame, view, spans);
      raster.line(spans, mixed(rgb(ghost.colour), surface, 0.42), 1.1 * ratio);
    }
    for (const { column, colour, opacity, thickness } of model.lines) {
      trace(scaled(column), frame, view, spans);
      raster.line(spans, mixed(rgb(colour), surface, opacity), thickness * ratio);
    }
    sheet.width = view.width;
    sheet.height = view.height;
    sheet.getContext("2d")?.putImageData(raster.finish(), 0, 0);
  }

  /** Hundreds of lines cost tens of milliseconds: they are drawn anew only when they changed. */
  private crowd(
    view: Viewport,
    frame: Frame,
    crowd: readonly Column[],
    theme: Theme,
    scaled: (column: Column) => Column,
  ): void {
    const { raster, spans } = this;
    const key = `${view.start} ${view.end} ${view.min} ${view.max} ${theme.name}`;
    const same = this.crowdOf?.crowd === crowd && this.crowdOf.key === key;
    if (same && raster.recall(view.width, view.height)) return;
    raster.clear(view.width, view.height);
    this.crowdOf = null;
    if (crowd.length === 0) return;
    for (const column of crowd) {
      trace(scaled(column), frame, view, spans);
      raster.count(spans);
    }
    raster.shade(rgb(theme.crowd));
    raster.keep();
    this.crowdOf = { crowd, key };
  }
}

function clip(canvas: CanvasRenderingContext2D, box: Box): void {
  canvas.beginPath();
  canvas.rect(box.left, box.top, box.width, box.height);
  canvas.clip();
}

const TONES = {
  bad: (theme: Theme) => theme.bad,
  warn: (theme: Theme) => theme.warn,
  muted: (theme: Theme) => theme.muted,
  accent: (theme: Theme) => theme.accent,
};

/** A gap narrower than this is a break in the line and no more. */
const LEAST_GAP_PX = 3;

function drawGaps(
  canvas: CanvasRenderingContext2D,
  box: Box,
  view: Viewport,
  frame: Frame,
  theme: Theme,
  ratio: number,
): void {
  for (const { from, to } of gaps(frame)) {
    // From the last sample to the next one.
    const left = Math.max(box.left, pixelX(box, view, slotTime(frame, from - 1)));
    const right = Math.min(box.left + box.width, pixelX(box, view, slotTime(frame, to)));
    if (right - left < LEAST_GAP_PX * ratio) continue;
    hatch(canvas, { left, top: box.top, width: right - left, height: box.height }, theme.grid, ratio);
  }
}

function drawSelection(
  canvas: CanvasRenderingContext2D,
  box: Box,
  view: Viewport,
  { start, end }: { readonly start: number; readonly end: number },
  theme: Theme,
): void {
  const left = Math.max(box.left, pixelX(box, view, start));
  const right = Math.min(box.left + box.width, pixelX(box, view, end));
  if (right <= left) return;
  canvas.save();
  canvas.fillStyle = theme.accent;
  canvas.globalAlpha = 0.12;
  canvas.fillRect(left, box.top, right - left, box.height);
  canvas.restore();
}

/** A layer of a stack, between its lower and its upper edge; a hole where there is no data. */
function drawArea(canvas: CanvasRenderingContext2D, box: Box, view: Viewport, frame: Frame, area: Area): void {
  const toY = (value: number): number =>
    box.top + (1 - (value - view.min) / (view.max - view.min)) * box.height;
  canvas.save();
  canvas.beginPath();
  canvas.rect(box.left, box.top, box.width, box.height);
  canvas.clip();
  canvas.fillStyle = area.colour;
  canvas.globalAlpha = area.opacity;
  for (let from = 0; from < frame.n; from++) {
    if (Number.isNaN(area.high[from])) continue;
    let to = from;
    while (to + 1 < frame.n && !Number.isNaN(area.high[to + 1])) to++;
    canvas.beginPath();
    for (let i = from; i <= to; i++) canvas.lineTo(pixelX(box, view, slotTime(frame, i)), toY(area.high[i]));
    for (let i = to; i >= from; i--) canvas.lineTo(pixelX(box, view, slotTime(frame, i)), toY(area.low[i]));
    canvas.fill();
    from = to;
  }
  canvas.restore();
}

function pixelX(box: Box, view: Viewport, time: number): number {
  return box.left + ((time - view.start) / (view.end - view.start)) * box.width;
}

function drawMarker(
  canvas: CanvasRenderingContext2D,
  box: Box,
  view: Viewport,
  marker: Marker,
  theme: Theme,
  ratio: number,
): void {
  const x = Math.round(pixelX(box, view, marker.time)) + 0.5;
  canvas.strokeStyle = TONES[marker.tone](theme);
  canvas.globalAlpha = 0.7;
  canvas.lineWidth = ratio;
  canvas.setLineDash(marker.solid ? [] : [2 * ratio, 3 * ratio]);
  canvas.beginPath();
  canvas.moveTo(x, box.top);
  canvas.lineTo(x, box.top + box.height);
  canvas.stroke();
  canvas.setLineDash([]);
  canvas.globalAlpha = 1;
}

function drawGlyphs(
  canvas: CanvasRenderingContext2D,
  box: Box,
  view: Viewport,
  markers: readonly Marker[],
  theme: Theme,
  ratio: number,
): void {
  canvas.save();
  canvas.font = theme.font.replace("10.5px", `bold ${11 * ratio}px`);
  canvas.textAlign = "center";
  canvas.textBaseline = "bottom";
  let free = -Infinity; // Glyphs that would cover each other are left out; their lines stay.
  for (const marker of markers) {
    const x = pixelX(box, view, marker.time);
    if (x < box.left || x > box.left + box.width || x < free) continue;
    canvas.fillStyle = TONES[marker.tone](theme);
    canvas.fillText(marker.glyph, x, box.top + ratio);
    free = x + 11 * ratio;
  }
  canvas.restore();
}

/** A limit that may change: level pieces joined by steps, and its name at the right end. */
function drawLimit(
  canvas: CanvasRenderingContext2D,
  box: Box,
  view: Viewport,
  limit: LimitLine,
  theme: Theme,
  ratio: number,
): void {
  const { column, frame } = limit;
  const toY = (value: number): number =>
    box.top + (1 - (value - view.min) / (view.max - view.min)) * box.height;
  canvas.strokeStyle = limit.colour;
  canvas.lineWidth = 1.25 * ratio;
  canvas.setLineDash([5 * ratio, 4 * ratio]);
  canvas.beginPath();
  let last = Number.NaN;
  for (let i = 0; i < frame.n; i++) {
    const value = column.high[i];
    const x = pixelX(box, view, slotTime(frame, i));
    if (Number.isNaN(value)) {
      last = value;
      continue;
    }
    if (Number.isNaN(last)) canvas.moveTo(x, toY(value));
    else if (value !== last) canvas.lineTo(x, toY(last));
    canvas.lineTo(x, toY(value));
    last = value;
  }
  canvas.stroke();
  canvas.setLineDash([]);
  const known = lastKnown(column.high);
  if (known === null) return;
  const y = toY(known);
  const outside = y < box.top + 2 * ratio;
  canvas.font = theme.font.replace("10.5px", `${10.5 * ratio}px`);
  canvas.fillStyle = limit.colour;
  canvas.textAlign = "right";
  const above = y - box.top > 15 * ratio;
  canvas.textBaseline = above ? "bottom" : "top";
  const text = outside ? `↑ ${limit.label}` : limit.label;
  const at = outside ? box.top + 3 * ratio : y + (above ? -3 : 3) * ratio;
  // A rim of the surface, so that the words can be read over lines.
  canvas.strokeStyle = theme.surface;
  canvas.lineWidth = 3 * ratio;
  canvas.lineJoin = "round";
  canvas.strokeText(text, box.left + box.width - 4 * ratio, at);
  canvas.fillText(text, box.left + box.width - 4 * ratio, at);
}

function lastKnown(values: ArrayLike<number>): number | null {
  for (let i = values.length - 1; i >= 0; i--) if (!Number.isNaN(values[i])) return values[i];
  return null;
}
