// The heat map: a row per container, a cell per bucket. Knows no framework.

import { hatch } from "./gaps";
import type { Frame } from "../data/fgmf";
import type { Range } from "../state/time";
import { blank, NO_SIZE, type Size, sizeOf } from "./canvas";
import { listen } from "./gestures";
import { slotAt } from "./hit";
import { GUTTER_PX, RIGHT_PX } from "./layout";
import { ramp } from "./ramp";
import { pixel } from "./raster";
import type { Theme } from "./theme";

export interface HeatModel {
  readonly range: Range;
  readonly frame: Frame | null;
  /** What each row of the frame is called. */
  readonly names: readonly string[];
  readonly marked: string | null;
  readonly cursor: number | null;
}

/** What the pointer is on. */
export interface HeatPoint {
  readonly time: number;
  readonly id: string;
  readonly value: number | null;
  readonly x: number;
  readonly y: number;
}

export interface HeatHandlers {
  hover(point: HeatPoint | null): void;
  pick(id: string, time: number): void;
  /** A box was drawn: these rows over this time. */
  box(range: Range, ids: readonly string[]): void;
  zoom(at: number, factor: number): void;
  pan(share: number): void;
  back(): void;
}

const LABEL_ROW_PX = 11;
const TOP_PX = 2;
const BOTTOM_PX = 4;

export class HeatView {
  private readonly canvas = document.createElement("canvas");
  private readonly area = document.createElement("div");
  private readonly cross = document.createElement("div");
  private readonly band = document.createElement("div");
  private readonly sheet = document.createElement("canvas");
  private readonly stop: () => void;
  private model: HeatModel | null = null;
  private drawn: { readonly frame: Frame; readonly theme: string } | null = null;
  private size: Size = NO_SIZE;
  private fromY = 0;
  private lastY = 0;

  constructor(
    private readonly host: HTMLElement,
    private readonly handlers: HeatHandlers,
    private theme: Theme,
  ) {
    this.area.className = "heat-area";
    this.cross.className = "cross";
    this.band.className = "band box";
    this.band.hidden = true;
    this.area.append(this.cross, this.band);
    host.append(this.canvas, this.area);
    this.area.addEventListener("pointerdown", (event) => {
      this.fromY = event.clientY - this.area.getBoundingClientRect().top;
    });
    this.stop = listen(this.area, {
      hover: (at) => {
        if (at) this.lastY = at.y;
        this.handlers.hover(at ? this.look(at) : null);
      },
      band: (from, to, done) => this.onBand(from, to, done),
      cancel: () => {
        this.band.hidden = true;
      },
      zoom: (at, factor) => this.handlers.zoom(this.time(at * this.width), factor),
      pan: (share) => this.handlers.pan(share),
      pick: (at) => {
        const point = this.look(at);
        if (point) this.handlers.pick(point.id, point.time);
      },
      select: (from, to, done) => this.onBand(from, to, done),
      back: () => this.handlers.back(),
    });
  }

  destroy(): void {
    this.stop();
    this.canvas.remove();
    this.area.remove();
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    this.draw();
  }

  /** The host has another size. */
  resize(): void {
    this.size = sizeOf(this.host);
    this.draw();
  }

  update(model: HeatModel): void {
    this.model = model;
    this.draw();
  }

  setCursor(time: number | null): void {
    const range = this.model?.range;
    const x = time === null || !range ? -1 : ((time - range.start) / (range.end - range.start)) * this.width;
    this.cross.hidden = x < 0 || x > this.width;
    if (!this.cross.hidden) this.cross.style.transform = `translateX(${Math.round(x)}px)`;
  }

  private get width(): number {
    return Math.max(1, this.size.width - GUTTER_PX - RIGHT_PX);
  }

  private get height(): number {
    return Math.max(1, this.size.height - TOP_PX - BOTTOM_PX);
  }

  private time(x: number): number {
    const range = this.model?.range ?? { start: 0, end: 1 };
    return range.start + (x / this.width) * (range.end - range.start);
  }

  private rowAt(y: number): number {
    const rows = this.model?.frame?.series.length ?? 0;
    return Math.min(rows - 1, Math.max(0, Math.floor((y / this.height) * rows)));
  }

  private look({ x, y }: { readonly x: number; readonly y: number }): HeatPoint | null {
    const { frame } = this.model ?? {};
    const column = frame?.series[this.rowAt(y)];
    if (!frame || !column) return null;
    const time = this.time(x);
    const slot = slotAt({ ...frame, reduced: true }, time);
    const value = slot < 0 ? Number.NaN : column.high[slot];
    return { time, id: column.id, value: Number.isNaN(value) ? null : value, x, y };
  }

  private onBand(from: number, to: number, done: boolean): void {
    const { frame } = this.model ?? {};
    this.band.hidden = done;
    const [left, right] = [Math.min(from, to) * this.width, Math.max(from, to) * this.width];
    const [top, bottom] = [Math.min(this.fromY, this.lastY), Math.max(this.fromY, this.lastY)];
    if (done && frame) {
      const ids = frame.series.slice(this.rowAt(top), this.rowAt(bottom) + 1).map(({ id }) => id);
      this.handlers.box({ start: Math.round(this.time(left)), end: Math.round(this.time(right)) }, ids);
      return;
    }
    Object.assign(this.band.style, {
      left: `${left}px`,
      width: `${right - left}px`,
      top: `${top}px`,
      height: `${Math.max(2, bottom - top)}px`,
    });
  }

  private draw(): void {
    const { canvas, model, theme } = this;
    const pen = model && blank(canvas, this.size);
    if (!pen) return;
    const { frame, range } = model;
    if (!frame || frame.series.length === 0 || frame.n === 0) return;
    this.cells(frame);
    const perMs = this.width / (range.end - range.start);
    pen.save();
    pen.beginPath();
    pen.rect(GUTTER_PX, TOP_PX, this.width, this.height);
    pen.clip();
    hatch(pen, { left: GUTTER_PX, top: TOP_PX, width: this.width, height: this.height }, theme.grid);
    pen.imageSmoothingEnabled = false;
    const left = GUTTER_PX + (frame.t0 - range.start) * perMs;
    pen.drawImage(this.sheet, left, TOP_PX, frame.n * frame.step * perMs, this.height);
    pen.restore();
    this.names(pen, frame);
  }

  /** A pixel per cell; what has no data stays clear, and the hatching shows. */
  private cells(frame: Frame): void {
    const { sheet, theme } = this;
    if (this.drawn?.frame === frame && this.drawn.theme === theme.name) return;
    sheet.width = frame.n;
    sheet.height = frame.series.length;
    const pen = sheet.getContext("2d");
    if (!pen) return;
    const image = pen.createImageData(frame.n, frame.series.length);
    const pixels = new Int32Array(image.data.buffer);
    let top = 0;
    for (const { high } of frame.series) for (const value of high) if (value > top) top = value;
    const colours = ramp(theme.name).map((colour) => pixel(colour, 255));
    frame.series.forEach(({ high }, row) => {
      for (let i = 0; i < frame.n; i++) {
        const value = high[i];
        if (Number.isNaN(value)) continue;
        // By the root, so that small is told from nothing.
        const share = top > 0 ? Math.sqrt(Math.max(0, value) / top) : 0;
        pixels[row * frame.n + i] = colours[Math.round(share * (colours.length - 1))];
      }
    });
    pen.putImageData(image, 0, 0);
    this.drawn = { frame, theme: theme.name };
  }

  private names(pen: CanvasRenderingContext2D, frame: Frame): void {
    const { model, theme } = this;
    const rows = frame.series.length;
    const row = this.height / rows;
    const every = Math.max(1, Math.ceil(LABEL_ROW_PX / row));
    pen.font = theme.font;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    frame.series.forEach(({ id }, i) => {
      const isMarked = id === model?.marked;
      const y = TOP_PX + (i + 0.5) * row;
      if (isMarked) {
        pen.strokeStyle = theme.accent;
        pen.lineWidth = 1;
        pen.strokeRect(GUTTER_PX + 0.5, TOP_PX + i * row, this.width - 1, Math.max(2, row));
      }
      if (i % every !== 0 && !isMarked) return;
      pen.fillStyle = isMarked ? theme.text : theme.faint;
      pen.fillText(cut(pen, model?.names[i] ?? "", GUTTER_PX - 12), GUTTER_PX - 8, y);
    });
  }
}

function cut(pen: CanvasRenderingContext2D, text: string, width: number): string {
  if (pen.measureText(text).width <= width) return text;
  let end = text.length;
  while (end > 1 && pen.measureText(`${text.slice(0, end)}…`).width > width) end--;
  return `${text.slice(0, end)}…`;
}
