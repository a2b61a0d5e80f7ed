// The keyboard, declared once: the help sheet is made from the same list.

import * as actions from "../state/actions";
import { signOf } from "../state/look";
import { copyIncident, png, samples } from "./exports";
import { copyText } from "./copy";
import * as store from "../state/store";

export interface Shortcut {
  readonly keys: readonly string[];
  readonly label: string;
  readonly help: string;
  readonly run: (event: KeyboardEvent) => void;
  /** Not a command of the palette: it needs the pointer or a digit. */
  readonly palette?: false;
}

/** The panel that keys act on. */
function onPanel(run: (metric: string) => void): void {
  const metric = store.rankedPanel.peek();
  if (metric !== null) run(metric);
}

/** The event that is looked at, else the nearest to the crosshair, else the newest in sight. */
function incident(): void {
  const list = store.events.peek().filter(({ kind }) => signOf(kind));
  const time = store.cursor.peek()?.time ?? Infinity;
  const open = list.find(({ event_id }) => event_id === store.openEvent.peek());
  const near = [...list].sort((a, b) => Math.abs(a.time_ms - time) - Math.abs(b.time_ms - time));
  const found = open ?? (Number.isFinite(time) ? near[0] : list.at(-1));
  if (found) copyIncident(found);
  else actions.say("No event in this window", true);
}

const focusOn = (id: string): void => document.getElementById(id)?.focus();

export const SHORTCUTS: readonly Shortcut[] = [
  { keys: ["w", "+", "="], label: "W", help: "zoom in at the crosshair", run: () => actions.zoomHere(0.7) },
  { keys: ["s", "-"], label: "S", help: "zoom out", run: () => actions.zoomHere(1 / 0.7) },
  { keys: ["a", "ArrowLeft"], label: "A", help: "earlier", run: () => actions.move(-0.2) },
  { keys: ["d", "ArrowRight"], label: "D", help: "later", run: () => actions.move(0.2) },
  { keys: ["f"], label: "F", help: "everything stored", run: actions.fit },
  { keys: ["l", " "], label: "L", help: "live on or off (Space too)", run: actions.toggleLive },
  {
    keys: ["1", "2", "3", "4", "5", "6"],
    label: "1–6",
    help: "last 5 m, 15 m, 1 h, 6 h, 24 h, 7 d",
    palette: false,
    run: (event) => actions.presetNumber(Number(event.key)),
  },
  { keys: ["u"], label: "U", help: "undo (Back)", run: () => history.back() },
  { keys: ["r"], label: "R", help: "redo (Forward)", run: () => history.forward() },
  { keys: ["n"], label: "N", help: "next event", run: () => actions.stepEvent(1) },
  { keys: ["p"], label: "P", help: "previous event", run: () => actions.stepEvent(-1) },
  { keys: ["["], label: "[", help: "panel above", run: () => actions.stepPanel(-1) },
  { keys: ["]"], label: "]", help: "panel below", run: () => actions.stepPanel(1) },
  {
    keys: ["/"],
    label: "/",
    help: "search, or run a command (Ctrl K)",
    palette: false,
    run: () => {
      store.paletteOpen.value = true;
    },
  },
  { keys: ["m"], label: "M", help: "search metrics", run: () => focusOn("metric-search") },
  { keys: ["c"], label: "C", help: "filter containers", run: () => focusOn("container-search") },
  { keys: ["e"], label: "E", help: "density or lines", run: () => onPanel((one) => actions.toggleFlag(one, "d")) },
  { keys: ["o"], label: "O", help: "logarithmic axis", run: () => onPanel((one) => actions.toggleFlag(one, "o")) },
  { keys: ["%"], label: "%", help: "as a share of the limit", run: () => onPanel(actions.toggleShare) },
  { keys: ["h"], label: "H", help: "heat map on or off", run: actions.toggleHeat },
  { keys: ["k"], label: "K", help: "compare with the range before", run: actions.toggleCompare },
  {
    keys: ["v"],
    label: "V",
    help: "select a stretch by dragging, on or off",
    run: () => {
      store.selecting.value = !store.selecting.peek();
      actions.say(store.selecting.peek() ? "Drag selects a stretch; V goes back to zooming" : "Drag zooms");
    },
  },
  { keys: ["b"], label: "B", help: "note at the crosshair", run: () => actions.writeNote(null, null, null) },
  { keys: ["x"], label: "X", help: "hide the container that stands out; without one, show all", run: actions.hide },
  { keys: ["z"], label: "Z", help: "solo the container that stands out", run: () => actions.soloOf(store.emphasised.peek()) },
  { keys: ["shift+z"], label: "Shift Z", help: "UTC or local time", run: actions.toggleUtc },
  { keys: ["y"], label: "Y", help: "copy a link to this view", run: () => void copyText(location.href, "Link") },
  { keys: ["shift+y"], label: "Shift Y", help: "copy the incident as Markdown", run: incident },
  {
    keys: ["g"],
    label: "G",
    help: "save the panel as a picture",
    run: () =>
      onPanel((one) => {
        const metric = store.metricById.peek().get(one);
        if (metric) png(metric);
      }),
  },
  {
    keys: ["shift+g"],
    label: "Shift G",
    help: "download the samples of all panels as CSV",
    run: () => samples("csv", store.panels.peek().map(({ metric }) => metric)),
  },
  {
    keys: ["shift+t"],
    label: "Shift T",
    help: "table of the numbers",
    run: () => onPanel((one) => (store.tableOf.value = store.tableOf.peek() === one ? null : one)),
  },
  { keys: ["t"], label: "T", help: "theme: auto, light, dark", run: actions.nextTheme },
  {
    keys: ["?"],
    label: "?",
    help: "this sheet",
    run: () => {
      store.helpOpen.value = !store.helpOpen.peek();
    },
  },
];

/** Keys that a focused plot takes for itself. */
export const PLOT_KEYS: readonly { readonly label: string; readonly help: string }[] = [
  { label: "↑ ↓", help: "the series above or below in the ranking (plot focused)" },
  { label: "← →", help: "crosshair by one sample (plot focused), Shift: ten" },
];

export const POINTER: readonly { readonly label: string; readonly help: string }[] = [
  { label: "drag", help: "zoom into the marked stretch, Esc gives it up" },
  { label: "wheel", help: "zoom at the pointer" },
  { label: "Shift + wheel", help: "earlier, later; Shift + drag too" },
  { label: "Ctrl + drag", help: "select a stretch: its numbers, a note on it" },
  { label: "click", help: "pin the crosshair; on a line: focus its container" },
  { label: "Shift + click", help: "pin again: what changed in between; a row: focus it too" },
  { label: "Alt + click", help: "a row: solo" },
  { label: "double click", help: "back to the previous range" },
];

const TYPING = new Set(["INPUT", "TEXTAREA", "SELECT"]);

export function onKey(event: KeyboardEvent): void {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    store.paletteOpen.value = !store.paletteOpen.peek();
    return;
  }
  if (event.altKey && /^Arrow(Left|Right)$/.test(event.key)) return; // The browser's own: undo and redo.
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target instanceof HTMLElement ? event.target : null;
  if (event.key === "Escape") {
    if (target && TYPING.has(target.tagName)) target.blur();
    else actions.escape();
    return;
  }
  if (target && TYPING.has(target.tagName)) return;
  // Space and arrows belong to the button or list that has the focus.
  if (target?.closest("dialog")) return;
  const own = target?.closest("button, a, [role=option], [role=listbox], [role=application], [role=slider]");
  if (own && (event.key === " " || event.key.startsWith("Arrow"))) return;
  const letter = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const isLetter = /^[a-z]$/.test(letter);
  const key = isLetter && event.shiftKey ? `shift+${letter}` : letter;
  const found = SHORTCUTS.find(({ keys }) => keys.includes(key)) ?? (isLetter ? SHORTCUTS.find(({ keys }) => keys.includes(letter)) : undefined);
  if (!found) return;
  event.preventDefault();
  found.run(event);
}
