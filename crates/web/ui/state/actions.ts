// What a person can do, whether by pointer, key or button.

import { batch } from "@preact/signals";
import { amend, commit, gesture, showRange } from "./history";
import * as store from "./store";
import { keepInside, MIN_SPAN_MS, pan, PRESETS, type Range, span, zoomAt } from "./time";
import { MAX_PANELS } from "./url";

function stored(): Range {
  const meta = store.meta.peek();
  const end = Math.max(store.newest.peek(), meta?.last_ms ?? 0);
  return { start: Math.min(meta?.first_ms ?? end - 3_600_000, end - MIN_SPAN_MS), end };
}

export function zoom(at: number, factor: number): void {
  gesture({ time: { range: keepInside(zoomAt(store.range.peek(), at, factor), stored()) } });
}

/** Zooms around the crosshair if it is in sight, else around the middle. */
export function zoomHere(factor: number): void {
  const { start, end } = store.range.peek();
  const time = store.cursor.peek()?.time ?? Number.NaN;
  zoom(time >= start && time <= end ? time : (start + end) / 2, factor);
}

export function move(share: number): void {
  gesture({ time: { range: keepInside(pan(store.range.peek(), share), stored()) } });
}

export function show(range: Range): void {
  if (span(range) >= MIN_SPAN_MS) return showRange(range);
  const middle = (range.start + range.end) / 2;
  showRange({ start: Math.round(middle - MIN_SPAN_MS / 2), end: Math.round(middle + MIN_SPAN_MS / 2) });
}

/** Everything stored. */
export const fit = (): void => showRange(stored());

/** The last so many seconds, and on with the time. */
export const preset = (seconds: number): void => commit({ time: { live: seconds } });

export function presetNumber(number: number): void {
  const found = PRESETS[number - 1];
  if (found) preset(found.seconds);
}

/** Holds the picture, or goes on with the time at the same width. */
export function toggleLive(): void {
  if (store.live.peek()) showRange(store.range.peek());
  else preset(Math.max(MIN_SPAN_MS / 1000, Math.round(span(store.range.peek()) / 1000)));
}

export function togglePanel(metric: string): void {
  const list = store.panels.peek();
  if (list.some((panel) => panel.metric === metric)) {
    commit({ panels: list.filter((panel) => panel.metric !== metric) });
  } else if (list.length < MAX_PANELS) {
    commit({ panels: [...list, { metric, flags: "" }] });
  }
}

export function movePanel(metric: string, by: number): void {
  const list = [...store.panels.peek()];
  const at = list.findIndex((panel) => panel.metric === metric);
  const to = at + by;
  if (at < 0 || to < 0 || to >= list.length) return;
  [list[at], list[to]] = [list[to], list[at]];
  commit({ panels: list });
}

export const filter = (text: string): void => commit({ filter: text });

/** The filter while it is typed: one entry for all letters. */
export const typeFilter = (text: string): void => gesture({ filter: text });

/** Focuses a series, or lets go of it. */
export function focus(id: string): void {
  const { focus: now } = store.view.peek();
  amend({ focus: now.includes(id) ? now.filter((one) => one !== id) : [id] });
}

export const pin = (time: number | null): void =>
  amend({ cursor: time === null ? null : Math.round(time) });

/** Steps through time sample by sample, for keys. */
export function stepCursor(samples: number): void {
  const { start, end } = store.range.peek();
  const step = store.frameOf(store.rankedPanel.peek() ?? "")?.step ?? 1000;
  const now = store.cursor.peek()?.time ?? end;
  const time = Math.min(end, Math.max(start, Math.round(now / step + samples) * step));
  batch(() => {
    store.hover.value = null;
    amend({ cursor: time });
  });
}

/** The innermost thing that can be closed or let go of. */
export function escape(): void {
  if (store.helpOpen.peek()) store.helpOpen.value = false;
  else if (store.view.peek().cursor !== null) pin(null);
  else if (store.view.peek().focus.length > 0) amend({ focus: [] });
}

const KEY = "fgm-theme";

/** Auto, light, dark and round again. */
export function nextTheme(): void {
  const order = { auto: "light", light: "dark", dark: "auto" } as const;
  const next = order[store.themeChoice.peek()];
  store.themeChoice.value = next;
  // A theme forced by a link holds until one is chosen.
  if (store.view.peek().theme !== null) amend({ theme: null });
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the page.
  }
}

/** The theme chosen earlier. */
export function recallTheme(): void {
  try {
    const kept = localStorage.getItem(KEY);
    if (kept === "light" || kept === "dark") store.themeChoice.value = kept;
  } catch {
    // As above.
  }
}
