// The strip on top: one metric over everything stored, what happened, and the window that the
// panels show. Its gestures move the window. Knows no framework.

import type { Frame } from "../data/fgmf";
import { clock, day, marksIn, type Range, span } from "../state/time";
import { blank, NO_SIZE, type Size, sizeOf } from "./canvas";
import type { Marker } from "./model";
import type { Theme } from "./theme";

export interface OverviewModel {
  /** Everything stored. */
  readonly stored: Range;
  readonly shown: Range;
  readonly frame: Frame | null;
  readonly markers: readonly Marker[];
}

export interface OverviewHandlers {
  /** Go there. */
  show(range: Range): void;
  /** The window is being moved or sized. */
  slide(range: Range, isFirst: boolean): void;
  zoom(at: number, factor: number): void;
}

/** A window narrower than this is drawn this wide, or it could not be taken hold of. */
const LEAST_WINDOW_PX = 6;
const HANDLE_PX = 7;
const CLICK_PX = 4;
const LABELS_PX = 15;
const TICKS_PX = 9;
const SIDE_PX = 12;

type Grip = "left" | "right" | "inside" | "outside";

export class OverviewView {
  private readonly canvas: HTMLCanvasElement;
  private readonly stop = new AbortController();
  private model: OverviewModel | null = null;
  private size: Size = NO_SIZE;

  constructor(
    private readonly host: HTMLElement,
    private readonly handlers: OverviewHandlers,
    private theme: Theme,
  ) {
    this.canvas = document.createElement("canvas");
    host.append(this.canvas);
    this.listen();
  }

  destroy(): void {
    this.stop.abort();
    this.canvas.remove();
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

  update(model: OverviewModel): void {
    this.model = model;
    this.draw();
  }

  private get width(): number {
    return Math.max(1, this.size.width - 2 * SIDE_PX);
  }

  private pixel(time: number): number {
    const stored = this.model?.stored ?? { start: 0, end: 1 };
    return SIDE_PX + ((time - stored.start) / span(stored)) * this.width;
  }

  private time(x: number): number {
    const stored = this.model?.stored ?? { start: 0, end: 1 };
    return stored.start + ((x - SIDE_PX) / this.width) * span(stored);
  }

  /** Left and right edge of the window as it is drawn. */
  private edges(): readonly [number, number] {
    const shown = this.model?.shown ?? { start: 0, end: 1 };
    const left = this.pixel(shown.start);
    const right = this.pixel(shown.end);
    const lacking = Math.max(0, LEAST_WINDOW_PX - (right - left));
    return [left - lacking / 2, right + lacking / 2];
  }

  private draw(): void {
    const { canvas, model, theme } = this;
    const { height } = this.size;
    const pen = model && blank(canvas, this.size);
    if (!pen) return;
    const floor = height - LABELS_PX;
    this.envelope(pen, floor);
    this.labels(pen, floor, height);
    this.window(pen, floor);
    for (const marker of model.markers) {
      pen.fillStyle = theme[marker.tone];
      pen.fillRect(Math.round(this.pixel(marker.time)), 1, marker.solid ? 2 : 1, TICKS_PX);
    }
  }

  private envelope(pen: CanvasRenderingContext2D, floor: number): void {
    const { frame } = this.model ?? {};
    const range = frame?.series.find(({ id }) => id === "range");
    if (!frame || !range) return;
    const mean = frame.series.find(({ id }) => id === "mean");
    // By the root, so that the everyday is seen beside a spike.
    const top = Math.sqrt(Math.max(1e-9, range.max ?? 0));
    const y = (value: number): number =>
      floor - (Math.sqrt(Math.max(0, value)) / top) * (floor - TICKS_PX - 3);
    const area = (values: ArrayLike<number>, colour: string): void => {
      pen.fillStyle = colour;
      let open = false;
      for (let i = 0; i <= frame.n; i++) {
        const value = i < frame.n ? values[i] : Number.NaN;
        const x = this.pixel(frame.t0 + i * frame.step);
        if (Number.isNaN(value)) {
          if (open) {
            pen.lineTo(x, floor);
            pen.closePath();
            pen.fill();
          }
          open = false;
          continue;
        }
        if (!open) {
          pen.beginPath();
          pen.moveTo(x, floor);
        }
        open = true;
        pen.lineTo(x, y(value));
        pen.lineTo(this.pixel(frame.t0 + (i + 1) * frame.step), y(value));
      }
    };
    area(range.high, this.theme.envelope);
    if (mean) area(mean.high, this.theme.mean);
  }

  private labels(pen: CanvasRenderingContext2D, floor: number, height: number): void {
    const { stored } = this.model ?? { stored: { start: 0, end: 1 } };
    const least = (span(stored) / this.width) * 90;
    const hours = [1 / 60, 5 / 60, 0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 168, 720];
    const every = (hours.find((one) => one * 3_600_000 >= least) ?? 2160) * 3_600_000;
    pen.font = this.theme.font;
    pen.textAlign = "center";
    pen.textBaseline = "bottom";
    for (const mark of marksIn(stored, every)) {
      const x = this.pixel(mark);
      pen.fillStyle = this.theme.grid;
      pen.fillRect(Math.round(x), TICKS_PX, 1, floor - TICKS_PX);
      if (x < SIDE_PX + 20 || x > this.width) continue;
      pen.fillStyle = this.theme.faint;
      const text = clock(mark, false);
      pen.fillText(every >= 86_400_000 || text === "00:00" ? day(mark) : text, x, height - 1);
    }
  }

  private window(pen: CanvasRenderingContext2D, floor: number): void {
    const [left, right] = this.edges();
    pen.globalAlpha = 0.45;
    pen.fillStyle = this.theme.surface;
    pen.fillRect(SIDE_PX, 0, left - SIDE_PX, floor);
    pen.fillRect(right, 0, SIDE_PX + this.width - right, floor);
    pen.globalAlpha = 1;
    pen.strokeStyle = this.theme.accent;
    pen.lineWidth = 1.5;
    pen.strokeRect(left, 0.75, right - left, floor - 1.5);
    pen.fillStyle = this.theme.accent;
    for (const x of [left, right]) pen.fillRect(x - 2, floor / 2 - 7, 4, 14);
  }

  private gripAt(x: number): Grip {
    const [left, right] = this.edges();
    const reach = Math.min(HANDLE_PX, Math.max(2, (right - left) / 3));
    if (Math.abs(x - left) <= (x < left ? HANDLE_PX : reach)) return "left";
    if (Math.abs(x - right) <= (x > right ? HANDLE_PX : reach)) return "right";
    return x > left && x < right ? "inside" : "outside";
  }

  private listen(): void {
    const { host } = this;
    const { signal } = this.stop;
    let drag: { grip: Grip; fromX: number; shown: Range; moved: boolean } | null = null;
    const at = (event: MouseEvent): number => event.clientX - host.getBoundingClientRect().left;
    const cursors = { left: "ew-resize", right: "ew-resize", inside: "grab", outside: "crosshair" };
    host.addEventListener(
      "pointerdown",
      (event) => {
        if (event.button !== 0 || !this.model) return;
        host.setPointerCapture(event.pointerId);
        drag = { grip: this.gripAt(at(event)), fromX: at(event), shown: this.model.shown, moved: false };
      },
      { signal },
    );
    host.addEventListener(
      "pointermove",
      (event) => {
        const x = at(event);
        if (!drag) {
          host.style.cursor = cursors[this.gripAt(x)];
          return;
        }
        const isFirst = !drag.moved;
        if (Math.abs(x - drag.fromX) >= CLICK_PX) drag.moved = true;
        if (drag.moved) this.handlers.slide(this.dragged(drag, x), isFirst);
      },
      { signal },
    );
    host.addEventListener(
      "pointerup",
      (event) => {
        if (!drag || !this.model) return;
        const x = at(event);
        if (drag.moved) {
          this.handlers.slide(this.dragged(drag, x), false);
        } else if (drag.grip !== "left" && drag.grip !== "right") {
          const half = span(drag.shown) / 2;
          const middle = this.time(x);
          this.handlers.show({ start: Math.round(middle - half), end: Math.round(middle + half) });
        }
        drag = null;
      },
      { signal },
    );
    host.addEventListener("pointercancel", () => (drag = null), { signal });
    host.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        this.handlers.zoom(this.time(at(event)), Math.exp(event.deltaY * 0.0015));
      },
      { signal, passive: false },
    );
  }

  /** The window that a drag makes. */
  private dragged(drag: { grip: Grip; fromX: number; shown: Range }, x: number): Range {
    const { shown, grip } = drag;
    const by = Math.round(this.time(x) - this.time(drag.fromX));
    const ordered = (a: number, b: number): Range => ({ start: Math.min(a, b), end: Math.max(a, b) });
    switch (grip) {
      case "left":
        return ordered(shown.start + by, shown.end);
      case "right":
        return ordered(shown.start, shown.end + by);
      case "inside":
        return { start: shown.start + by, end: shown.end + by };
      case "outside":
        return ordered(Math.round(this.time(drag.fromX)), Math.round(this.time(x)));
    }
  }
}
