// Fingers over a plot: one moves the crosshair and picks, two pan and zoom. Up and down are left
// to the browser, which scrolls the page (`touch-action: pan-y`).

import type { GestureHandlers } from "./gestures";

/** A finger is never quite still. */
const TAP_PX = 10;
/** Fingers so close tell no zoom. */
const LEAST_SPREAD_PX = 20;

const isTouch = (event: PointerEvent): boolean => event.pointerType === "touch";

/** Listens for fingers on `area` until `signal` stops it. */
export function listenTouch(area: HTMLElement, handlers: GestureHandlers, signal: AbortSignal): void {
  const fingers = new Map<number, { x: number; y: number }>();
  let tap: { readonly x: number; readonly y: number } | null = null;

  /** The middle of two fingers and how far apart they are, across. */
  const pair = (): { middle: number; spread: number } | null => {
    const [a, b] = [...fingers.values()];
    if (!a || !b) return null;
    return { middle: (a.x + b.x) / 2, spread: Math.max(LEAST_SPREAD_PX, Math.abs(a.x - b.x)) };
  };
  const place = (event: PointerEvent): { x: number; y: number; width: number } => {
    const box = area.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top, width: Math.max(1, box.width) };
  };
  const down = (event: PointerEvent): void => {
    const { x, y } = place(event);
    fingers.set(event.pointerId, { x, y });
    tap = fingers.size === 1 ? { x, y } : null;
    if (fingers.size === 1) handlers.hover({ x, y });
  };
  const move = (event: PointerEvent): void => {
    const before = pair();
    const { x, y, width } = place(event);
    if (!fingers.has(event.pointerId)) return;
    fingers.set(event.pointerId, { x, y });
    if (tap && Math.hypot(x - tap.x, y - tap.y) > TAP_PX) tap = null;
    const now = pair();
    if (!before || !now) {
      handlers.hover({ x: Math.min(width, Math.max(0, x)), y });
      return;
    }
    handlers.pan((before.middle - now.middle) / width);
    if (before.spread !== now.spread) {
      handlers.zoom(Math.min(1, Math.max(0, now.middle / width)), before.spread / now.spread);
    }
  };
  const up = (event: PointerEvent): void => {
    if (!fingers.delete(event.pointerId)) return;
    if (tap) handlers.pick(tap, false);
    tap = null;
  };
  const on = (name: "pointerdown" | "pointermove" | "pointerup" | "pointercancel", run: (event: PointerEvent) => void): void =>
    area.addEventListener(name, (event) => (isTouch(event) ? run(event) : undefined), { signal });
  on("pointerdown", down);
  on("pointermove", move);
  on("pointerup", up);
  on("pointercancel", (event) => {
    tap = null;
    fingers.delete(event.pointerId);
  });
}
