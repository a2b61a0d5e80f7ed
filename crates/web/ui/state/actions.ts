// What a person can do, whether by pointer, key or button.

import { batch } from "@preact/signals";
import { amend, commit, gesture, showRange } from "./history";
import { frameOf } from "./groups";
import * as store from "./store";
import { keepInside, MIN_SPAN_MS, pan, PRESETS, type Range, span, zoomAt } from "./time";
import type { Dashboard } from "../data/types";
import { signOf } from "./look";
import { MAX_PANELS, parse, readHeat, readPanels, type ViewState } from "./url";

const stored = (): Range => store.stored.peek();

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

/** The window on its way: the first step makes an entry, however long the drag lasts the rest rewrites it. */
export function slide(range: Range, isFirst: boolean): void {
  if (span(range) < MIN_SPAN_MS) return;
  const time = { range: keepInside(range, stored()) };
  if (isFirst) commit({ time });
  else amend({ time });
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
    store.activePanel.value = metric;
  }
}

/** Shows that metric, with that container in front. */
export function lookAt(id: string, metric: string): void {
  const list = store.panels.peek();
  const has = list.some((panel) => panel.metric === metric);
  commit({ panels: has ? list : [...list.slice(0, MAX_PANELS - 1), { metric, flags: "" }], focus: [id] });
  store.activePanel.value = metric;
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

export function pin(time: number | null): void {
  if (time === null) store.secondPin.value = null;
  amend({ cursor: time === null ? null : Math.round(time) });
}

/** A second pin: what changed between the two is told. */
export function pinSecond(time: number): void {
  store.secondPin.value = Math.round(time);
  store.chosenTab.value = "range";
}

/** Steps through time sample by sample, for keys. */
export function stepCursor(samples: number): void {
  const { start, end } = store.range.peek();
  const step = frameOf(store.rankedPanel.peek() ?? "")?.step ?? 1000;
  const now = store.cursor.peek()?.time ?? end;
  const time = Math.min(end, Math.max(start, Math.round(now / step + samples) * step));
  batch(() => {
    store.hover.value = null;
    amend({ cursor: time });
  });
}

/** Shows this letter of a panel's flags, or not; letters that exclude each other take turns. */
export function toggleFlag(metric: string, flag: string): void {
  const excluded: Readonly<Record<string, string>> = { d: "su", s: "duo", u: "ds", o: "s" };
  commit({
    panels: store.panels.peek().map((panel) => {
      if (panel.metric !== metric) return panel;
      if (panel.flags.includes(flag)) return { ...panel, flags: panel.flags.replace(flag, "") };
      const kept = [...panel.flags].filter((one) => !excluded[flag]?.includes(one)).join("");
      return { ...panel, flags: kept + flag };
    }),
  });
}

/** Metrics that are the same as a share of their limit. */
const SHARES: readonly (readonly [string, string])[] = [
  ["cpu_usage_millicores", "cpu_percent_of_limit"],
  ["memory_current", "memory_percent_of_limit"],
];

/** What a metric is as a share of its limit, and back; null where it has none. */
export function shareOf(metric: string): string | null {
  for (const [value, share] of SHARES) {
    if (metric === value) return share;
    if (metric === share) return value;
  }
  return null;
}

export function toggleShare(metric: string): void {
  const other = shareOf(metric);
  if (other === null || store.panels.peek().some((panel) => panel.metric === other)) return;
  commit({ panels: store.panels.peek().map((panel) => (panel.metric === metric ? { ...panel, metric: other } : panel)) });
  store.activePanel.value = other;
}

export const showHeat = (heat: ViewState["heat"]): void => commit({ heat });

export function toggleHeat(): void {
  showHeat(store.heatSpec.peek() === null ? null : "off");
}

/** Lays the range before this one over it, or takes it off. */
export function toggleCompare(): void {
  commit({ compare: store.view.peek().compare === null ? "prev" : null });
}

export function select(range: Range | null): void {
  if (range !== null) store.chosenTab.value = "range";
  amend({ selection: range });
}

/** Asks in what the containers differ there from the stretch before. */
export function askWhatDiffers(range: Range): void {
  store.differingIn.value = range;
}

/** Takes the focused or pointed-at container out of the picture, or brings all back. */
export function hide(): void {
  const id = store.emphasised.peek();
  const next = new Set(store.hidden.peek());
  if (id === null) next.clear();
  else next.add(id);
  batch(() => {
    store.hidden.value = next;
    if (id !== null) amend({ focus: store.view.peek().focus.filter((one) => one !== id) });
  });
}

export function soloOf(id: string | null): void {
  store.solo.value = id === null || store.solo.peek() === id ? null : id;
}

/** Adds a container to those focused, or lets go of it. */
export function alsoFocus(id: string): void {
  const { focus: now } = store.view.peek();
  amend({ focus: now.includes(id) ? now.filter((one) => one !== id) : [...now, id].slice(-8) });
}

/** The next or previous event from the crosshair on, brought into sight. */
export function stepEvent(by: 1 | -1): void {
  const { start, end } = store.range.peek();
  const from = store.view.peek().cursor ?? (by > 0 ? start - 1 : end + 1);
  const list = store.allEvents.peek().filter(({ kind }) => signOf(kind));
  const next = by > 0 ? list.find(({ time_ms }) => time_ms > from) : list.findLast(({ time_ms }) => time_ms < from);
  if (!next) return say(by > 0 ? "No later event" : "No earlier event", true);
  if (next.time_ms < start || next.time_ms > end) {
    const half = (end - start) / 2;
    show({ start: Math.round(next.time_ms - half), end: Math.round(next.time_ms + half) });
  }
  batch(() => {
    store.hover.value = null;
    store.openEvent.value = next.event_id;
    store.chosenTab.value = "events";
    amend({ cursor: next.time_ms });
  });
}

/** The panel above or below becomes the one that keys act on. */
export function stepPanel(by: 1 | -1): void {
  const list = store.panels.peek();
  const at = list.findIndex(({ metric }) => metric === store.rankedPanel.peek());
  const next = list[Math.min(list.length - 1, Math.max(0, at + by))];
  if (!next) return;
  store.activePanel.value = next.metric;
  document.querySelector<HTMLElement>(`.c[data-metric="${next.metric}"]`)?.focus();
}

export const toggleUtc = (): void => amend({ utc: !store.view.peek().utc });

let saying: ReturnType<typeof setTimeout> | undefined;

/** Says a sentence that passes. */
export function say(text: string, bad = false): void {
  clearTimeout(saying);
  store.said.value = { text, bad };
  saying = setTimeout(() => {
    store.said.value = null;
  }, 2500);
}

/** Begins a note: at the crosshair, or in the middle of the window. */
export function writeNote(time: number | null, end: number | null, series: string | null): void {
  const { start, end: last } = store.range.peek();
  const at = time ?? store.cursor.peek()?.time ?? (start + last) / 2;
  const letters = "abcdefghijklmnopqrstuvwxyz0123456789";
  const part = Array.from({ length: 6 }, () => letters[Math.floor(Math.random() * letters.length)]).join("");
  const focused = store.view.peek().focus[0] ?? null;
  store.draft.value = {
    id: `${Math.round(at).toString(36)}-${part}`,
    version: null,
    time_ms: Math.round(at),
    end_ms: end,
    series: series ?? focused,
    text: "",
  };
  store.chosenTab.value = "notes";
}

/** Everything of a dashboard, and the time if it names one. */
export function openDashboard(board: Dashboard): void {
  const told = parse(`#${board.t ? `t=${board.t}` : ""}`);
  commit({
    dashboard: board.name,
    panels: readPanels(board.m.join()),
    filter: board.f,
    heat: board.hm === null ? null : readHeat(board.hm),
    ...(board.t ? { time: told.time } : {}),
  });
}

/** The innermost thing that can be closed or let go of. */
export function escape(): void {
  if (store.helpOpen.peek()) store.helpOpen.value = false;
  else if (store.paletteOpen.peek()) store.paletteOpen.value = false;
  else if (store.tableOf.peek() !== null) store.tableOf.value = null;
  else if (store.maximised.peek() !== null) store.maximised.value = null;
  else if (store.selecting.peek()) store.selecting.value = false;
  else if (store.secondPin.peek() !== null) store.secondPin.value = null;
  else if (store.solo.peek() !== null) store.solo.value = null;
  else if (store.view.peek().selection !== null) select(null);
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
