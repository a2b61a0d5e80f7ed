// One panel: uPlot as the frame (axes, scales, layout), our raster inside it, crosshair and band as
// elements above it. Knows no framework; uPlot stays behind this class.

import uPlot from "uplot";
import { clock, duration, type Range, zoneShift } from "../state/time";
import type { Frame } from "../data/fgmf";
import { logAxis, timeLabels, toLog, valueAxis, type ValueAxis } from "./axis";
import { listen } from "./gestures";
import { GUTTER_PX, RIGHT_PX } from "./layout";
import { type Hit, nearest, reading } from "./hit";
import type { PanelModel } from "./model";
import { type Box, Painter } from "./paint";
import type { Theme } from "./theme";

const TIME_AXIS_PX = 22;
const TOP_PX = 10;
/** Half the width of a label of the time axis. */
const LABEL_HALF_PX = 26;

/** What the pointer is on. */
export interface Pointer {
  readonly time: number;
  /** Pixels within the plot area. */
  readonly x: number;
  readonly y: number;
  readonly hits: readonly Hit[];
}

export interface PanelHandlers {
  hover(pointer: Pointer | null): void;
  /** Show this range; `gesture` while more of the same may follow. */
  show(range: Range, gesture: boolean): void;
  zoom(at: number, factor: number): void;
  pan(share: number): void;
  /** Statistics of this range; `done` when the button was released. */
  select(range: Range, done: boolean): void;
  /** Whether a drag selects without Ctrl. */
  selecting(): boolean;
  pick(pointer: Pointer, isSecond: boolean): void;
  back(): void;
}

const NEAREST = 3;
/** A limit further above what is used would squash the lines; its name then stands at the edge. */
const LIMIT_IN_REACH = 1.6;

export class PanelView {
  private readonly plot: uPlot;
  private readonly painter = new Painter();
  private readonly cross: HTMLElement;
  private readonly dot: HTMLElement;
  private readonly band: HTMLElement;
  private readonly stop: () => void;
  private model: PanelModel | null = null;
  private axis: ValueAxis = { min: 0, max: 1, ticks: [], labels: [] };
  private highest = 1;
  private pointer: { readonly x: number; readonly y: number } | null = null;
  private kept: (Range & { readonly frame: Frame; readonly values: readonly [number, number] }) | null = null;

  constructor(
    private readonly host: HTMLElement,
    private readonly handlers: PanelHandlers,
    private theme: Theme,
  ) {
    this.plot = new uPlot(this.options(), [[0, 1], [null, null]], host);
    const { over } = this.plot;
    const add = (name: string): HTMLElement => {
      const element = document.createElement("div");
      element.className = name;
      element.hidden = true;
      over.append(element);
      return element;
    };
    this.band = add("band");
    this.cross = add("cross");
    this.dot = add("dot");
    this.stop = listen(over, {
      hover: (at) => {
        this.pointer = at;
        this.handlers.hover(at ? this.look(at) : null);
      },
      band: (from, to, done) => this.onBand(from, to, done),
      cancel: () => {
        this.band.hidden = true;
      },
      zoom: (at, factor) => this.handlers.zoom(this.time(at * this.width), factor),
      pan: (share) => this.handlers.pan(share),
      select: (from, to, done) => this.onSelect(from, to, done),
      pick: (at, withShift) => this.handlers.pick(this.look(at), withShift),
      back: () => this.handlers.back(),
    }, () => this.handlers.selecting());
  }

  destroy(): void {
    this.stop();
    this.plot.destroy();
  }

  /** Width of the plot area, CSS pixels. */
  get width(): number {
    return this.area.width;
  }

  resize(): void {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (width === 0 || height === 0) return;
    if (width === this.plot.width && height === this.plot.height) return;
    this.plot.setSize({ width, height });
    this.fitAxis();
    this.redraw();
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    this.redraw();
  }

  update(model: PanelModel): void {
    this.model = model;
    this.fitAxis();
    this.redraw();
  }

  /** Looks again at what lies below a resting pointer: the picture may have moved under it. */
  refreshPointer(): void {
    if (this.pointer) this.handlers.hover(this.look(this.pointer));
  }

  /** Puts the crosshair at `time`, with a dot on the series `id`. */
  setCursor(time: number | null, id: string | null): void {
    const x = time === null ? -1 : this.pixel(time);
    this.cross.hidden = x < 0 || x > this.width;
    this.dot.hidden = true;
    if (time === null || this.cross.hidden) return;
    this.cross.style.transform = `translateX(${Math.round(x)}px)`;
    const line = id === null ? undefined : this.model?.lines.find(({ column }) => column.id === id);
    if (!line || !this.model?.frame) return;
    const value = reading(line.column, this.model.frame, time);
    if (!value) return;
    this.dot.hidden = false;
    this.dot.style.background = line.colour;
    this.dot.style.transform = `translate(${Math.round(x)}px, ${Math.round(this.pixelY(value.high))}px)`;
  }

  /** The plot area as a box within the host, CSS pixels. From uPlot, for asking the page costs a layout. */
  get area(): Box {
    const { left, top, width, height } = this.plot.bbox;
    const ratio = uPlot.pxRatio;
    return { left: left / ratio, top: top / ratio, width: width / ratio, height: height / ratio };
  }

  private redraw(): void {
    const range = this.model?.range;
    if (!range) return;
    this.plot.batch(() => {
      this.plot.setScale("x", { min: range.start, max: range.end });
      this.plot.setScale("y", { min: this.axis.min, max: this.axis.max });
    });
    // A new picture of the same range: uPlot would see nothing to do.
    this.plot.redraw(false, true);
  }

  private fitAxis(): void {
    const { model } = this;
    if (!model) return;
    const [low, high] = this.extremes(model);
    let top = high;
    const limit = model.limit?.column.high;
    if (limit) {
      for (const value of limit) {
        if (value > top && value <= high * LIMIT_IN_REACH) top = value;
      }
    }
    for (const { high: layer } of model.areas) {
      for (const value of layer) if (value > top) top = value;
    }
    for (const { column } of model.ghosts) {
      for (const value of column.high) if (value > top) top = value;
    }
    this.highest = top;
    this.axis = model.log ? logAxis(low, top, model.unit) : valueAxis(low, top, model.unit, this.area.height);
  }

  /** Kept while only the emphasis changes: that follows every move of the pointer. */
  private extremes({ frame, range }: PanelModel): readonly [number, number] {
    if (!frame) return [0, 0];
    const kept = this.kept;
    if (kept?.frame !== frame || kept.start !== range.start || kept.end !== range.end) {
      this.kept = { frame, ...range, values: extremesOf(frame, range) };
    }
    return this.kept?.values ?? [0, 0];
  }

  private time(x: number): number {
    const range = this.model?.range ?? { start: 0, end: 1 };
    return range.start + (x / Math.max(1, this.width)) * (range.end - range.start);
  }

  private pixel(time: number): number {
    const range = this.model?.range ?? { start: 0, end: 1 };
    return ((time - range.start) / (range.end - range.start)) * this.width;
  }

  private pixelY(value: number): number {
    const { min, max } = this.axis;
    const place = this.model?.log ? toLog(value, this.highest) : value;
    return (1 - (place - min) / (max - min)) * this.area.height;
  }

  private look(at: { readonly x: number; readonly y: number }): Pointer {
    const time = this.time(at.x);
    const { model } = this;
    const hits = model?.frame
      ? nearest(model.frame, model.frame.series, time, at.y, (value) => this.pixelY(value), NEAREST)
      : [];
    return { time, x: at.x, y: at.y, hits };
  }

  private onBand(from: number, to: number, done: boolean): void {
    const left = Math.min(from, to) * this.width;
    const right = Math.max(from, to) * this.width;
    const range = { start: Math.round(this.time(left)), end: Math.round(this.time(right)) };
    this.band.hidden = done;
    if (done) {
      this.handlers.show(range, false);
      return;
    }
    this.band.style.left = `${left}px`;
    this.band.style.width = `${right - left}px`;
    this.band.dataset["text"] =
      `${clock(range.start)} – ${clock(range.end)} · ${duration(range.end - range.start)}`;
  }

  private onSelect(from: number, to: number, done: boolean): void {
    const [left, right] = [Math.min(from, to) * this.width, Math.max(from, to) * this.width];
    this.handlers.select({ start: Math.round(this.time(left)), end: Math.round(this.time(right)) }, done);
  }

  /** The picture as it is, on the colour of the surface. */
  picture(): HTMLCanvasElement {
    const { canvas } = this.plot.ctx;
    const copy = document.createElement("canvas");
    copy.width = canvas.width;
    copy.height = canvas.height;
    const pen = copy.getContext("2d");
    if (pen) {
      pen.fillStyle = this.theme.surface;
      pen.fillRect(0, 0, copy.width, copy.height);
      pen.drawImage(canvas, 0, 0);
    }
    return copy;
  }

  private options(): uPlot.Options {
    const own = (): uPlot.Axis => ({
      stroke: () => this.theme.faint,
      font: this.theme.font,
      ticks: { show: false },
      grid: { stroke: () => this.theme.grid, width: 1 },
    });
    return {
      width: Math.max(50, this.host.clientWidth),
      height: Math.max(50, this.host.clientHeight),
      ms: 1,
      tzDate: (ms) => new Date(ms + zoneShift(ms)),
      padding: [TOP_PX, RIGHT_PX, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      select: { show: false, left: 0, top: 0, width: 0, height: 0 },
      scales: {
        x: { time: true, auto: false, range: (_u, min, max) => [min, max] },
        y: { auto: false, range: () => [this.axis.min, this.axis.max] },
      },
      series: [{}, { show: true, paths: () => null, points: { show: false } }],
      axes: [
        {
          ...own(),
          size: TIME_AXIS_PX,
          gap: 4,
          space: 78,
          values: (plot, ticks, _axis, _space, every) => {
            // Words that would be cut off on the right or run into the value axis are left out.
            const end = this.width + RIGHT_PX - LABEL_HALF_PX;
            return timeLabels(ticks, every).map((text, i) => {
              const x = plot.valToPos(ticks[i], "x");
              return x < LABEL_HALF_PX || x > end ? "" : text;
            });
          },
        },
        {
          ...own(),
          size: GUTTER_PX,
          gap: 8,
          splits: () => [...this.axis.ticks],
          values: () => [...this.axis.labels],
        },
      ],
      hooks: {
        draw: [
          (plot) => {
            if (!this.model) return;
            this.painter.paint(plot.ctx, plot.bbox, { ...this.axis, highest: this.highest }, this.model, this.theme, uPlot.pxRatio);
          },
        ],
      },
    };
  }
}

/** The least and greatest value within the range. */
function extremesOf(frame: Frame, range: Range): readonly [number, number] {
  let low = 0;
  let high = 0;
  const first = Math.max(0, Math.floor((range.start - frame.t0) / frame.step));
  const last = Math.min(frame.n - 1, Math.ceil((range.end - frame.t0) / frame.step));
  for (const column of frame.series) {
    for (let i = first; i <= last; i++) {
      if (column.high[i] > high) high = column.high[i];
      if (column.low[i] < low) low = column.low[i];
    }
  }
  return [low, high];
}
