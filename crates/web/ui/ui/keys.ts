// The keyboard, declared once: the help sheet is made from the same list.

import * as actions from "../state/actions";
import { helpOpen } from "../state/store";

export interface Shortcut {
  readonly keys: readonly string[];
  readonly label: string;
  readonly help: string;
  readonly run: (event: KeyboardEvent) => void;
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
    keys: ["1", "2", "3", "4", "5"],
    label: "1–5",
    help: "last 5 m, 15 m, 1 h, 6 h, 24 h",
    run: (event) => actions.presetNumber(Number(event.key)),
  },
  { keys: ["u"], label: "U", help: "undo (Back)", run: () => history.back() },
  { keys: ["r"], label: "R", help: "redo (Forward)", run: () => history.forward() },
  { keys: ["m", "/"], label: "M", help: "search metrics", run: () => focusOn("metric-search") },
  { keys: ["c"], label: "C", help: "filter containers", run: () => focusOn("container-search") },
  { keys: ["t"], label: "T", help: "theme: auto, light, dark", run: actions.nextTheme },
  {
    keys: ["?"],
    label: "?",
    help: "this sheet",
    run: () => {
      helpOpen.value = !helpOpen.peek();
    },
  },
];

/** Keys that a focused plot takes for itself. */
export const PLOT_KEYS: readonly { readonly label: string; readonly help: string }[] = [
  { label: "← →", help: "crosshair by one sample (plot focused), Shift: ten" },
];

export const POINTER: readonly { readonly label: string; readonly help: string }[] = [
  { label: "drag", help: "zoom into the marked stretch, Esc gives it up" },
  { label: "wheel", help: "zoom at the pointer" },
  { label: "Shift + wheel", help: "earlier, later; Shift + drag too" },
  { label: "click", help: "pin the crosshair; on a line: focus its container" },
  { label: "double click", help: "back to the previous range" },
];

const TYPING = new Set(["INPUT", "TEXTAREA", "SELECT"]);

export function onKey(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target instanceof HTMLElement ? event.target : null;
  if (event.key === "Escape") {
    if (target && TYPING.has(target.tagName)) target.blur();
    else actions.escape();
    return;
  }
  if (target && TYPING.has(target.tagName)) return;
  // Space and arrows belong to the button or list that has the focus.
  const own = target?.closest("button, a, [role=option], [role=listbox], [role=application]");
  if (own && (event.key === " " || event.key.startsWith("Arrow"))) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const found = SHORTCUTS.find(({ keys }) => keys.includes(key));
  if (!found) return;
  event.preventDefault();
  found.run(event);
}
