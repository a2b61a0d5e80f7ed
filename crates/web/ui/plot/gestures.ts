// Pointer and wheel over a plot, turned into intentions: hover, zoom, pan, pick. Knows pixels and
// shares of the width, not times or series. Fingers have gestures of their own: see `touch`.

import { listenTouch } from "./touch";

export interface GestureHandlers {
  /** The pointer is at these pixels of the plot; null when it left. */
  hover(at: { readonly x: number; readonly y: number } | null): void;
  /** A stretch between two shares of the width was marked; `done` when the button was released. */
  band(from: number, to: number, done: boolean): void;
  /** The same with Ctrl held: to select, not to zoom. */
  select(from: number, to: number, done: boolean): void;
  /** The marking was given up. */
  cancel(): void;
  /** Zoom by `factor`, keeping the share `at` in place. */
  zoom(at: number, factor: number): void;
  /** Move by a share of the width. */
  pan(share: number): void;
  /** A click at these pixels, with or without Shift. */
  pick(at: { readonly x: number; readonly y: number }, withShift: boolean): void;
  /** Two clicks. */
  back(): void;
}

/** Less movement than this is a click. */
const CLICK_PX = 4;
const LINE_PX = 16;
const WHEEL_ZOOM = 0.0015;

/** Listens on `area`; returns the way to stop. While `selecting`, a drag selects without Ctrl. */
export function listen(area: HTMLElement, handlers: GestureHandlers, selecting = () => false): () => void {
  const stop = new AbortController();
  const { signal } = stop;
  let drag: { startX: number; lastX: number; pans: boolean; selects: boolean; moved: boolean } | null = null;

  const position = (event: MouseEvent): { x: number; y: number; width: number } => {
    const box = area.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top, width: Math.max(1, box.width) };
  };
  const share = (x: number, width: number): number => Math.min(1, Math.max(0, x / width));

  area.addEventListener(
    "pointerdown",
    (event) => {
      if (event.button !== 0 || event.pointerType === "touch") return;
      const { x } = position(event);
      area.setPointerCapture(event.pointerId);
      drag = { startX: x, lastX: x, pans: event.shiftKey, selects: event.ctrlKey || selecting(), moved: false };
    },
    { signal },
  );
  area.addEventListener(
    "pointermove",
    (event) => {
      if (event.pointerType === "touch") return;
      const { x, y, width } = position(event);
      handlers.hover({ x: Math.min(width, Math.max(0, x)), y });
      if (!drag) return;
      if (Math.abs(x - drag.startX) >= CLICK_PX) drag.moved = true;
      if (!drag.moved) return;
      if (drag.pans) {
        handlers.pan((drag.lastX - x) / width);
        drag.lastX = x;
      } else {
        (drag.selects ? handlers.select : handlers.band)(share(drag.startX, width), share(x, width), false);
      }
    },
    { signal },
  );
  area.addEventListener(
    "pointerup",
    (event) => {
      if (!drag) return;
      const { x, y, width } = position(event);
      const { startX, pans, selects, moved } = drag;
      drag = null;
      if (!moved) handlers.pick({ x, y }, event.shiftKey);
      else if (!pans) (selects ? handlers.select : handlers.band)(share(startX, width), share(x, width), true);
    },
    { signal },
  );
  const giveUp = (): void => {
    drag = null;
    handlers.cancel();
  };
  area.addEventListener("pointercancel", giveUp, { signal });
  area.addEventListener(
    "pointerleave",
    // The crosshair stays where a finger left it.
    (event) => (event.pointerType === "touch" ? undefined : handlers.hover(null)),
    { signal },
  );
  listenTouch(area, handlers, signal);
  area.addEventListener("dblclick", () => handlers.back(), { signal });
  window.addEventListener(
    "keydown",
    (event) => {
      if (event.key !== "Escape" || !drag) return;
      event.stopPropagation();
      giveUp();
    },
    { signal, capture: true },
  );
  area.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const { x, width } = position(event);
      const unit = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : LINE_PX;
      // With Shift some browsers already turn the wheel sideways.
      const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
      if (sideways) handlers.pan(((event.deltaX || event.deltaY) * unit) / width);
      else handlers.zoom(share(x, width), Math.exp(event.deltaY * unit * WHEEL_ZOOM));
    },
    { signal, passive: false },
  );
  return () => stop.abort();
}
