// The address follows the state and the state follows the address. One entry per intention: the
// first step of a gesture makes an entry, the rest of it rewrites that entry, so Back undoes it whole.

import { effect } from "@preact/signals";
import { view } from "./store";
import type { Range } from "./time";
import { format, parse, type ViewState } from "./url";

/** Two steps of one gesture lie closer together than this. */
const GESTURE_MS = 600;
/** Browsers refuse too many rewrites in a row. */
const REWRITE_MS = 300;

let gestureUntil = 0;
let rewrite: ReturnType<typeof setTimeout> | undefined;

function writeNow(): void {
  clearTimeout(rewrite);
  rewrite = undefined;
  history.replaceState(null, "", format(view.peek()));
}

/** Changes the state and makes an entry of it. */
export function commit(change: Partial<ViewState>): void {
  const next = { ...view.peek(), ...change };
  if (format(next) === format(view.peek())) return;
  if (rewrite !== undefined) writeNow();
  gestureUntil = 0;
  view.value = next;
  history.pushState(null, "", format(next));
}

/** Changes the state as one step of a gesture, or of typing. */
export function gesture(change: Partial<ViewState>): void {
  const now = performance.now();
  if (now > gestureUntil) {
    commit(change);
  } else {
    view.value = { ...view.peek(), ...change };
    rewrite ??= setTimeout(writeNow, REWRITE_MS);
  }
  gestureUntil = now + GESTURE_MS;
}

/** Changes the state within the present entry: pins and focus are not worth a step back. */
export function amend(change: Partial<ViewState>): void {
  view.value = { ...view.peek(), ...change };
  rewrite ??= setTimeout(writeNow, REWRITE_MS);
}

export const showRange = (range: Range): void => commit({ time: { range } });

/** Reads the address, and from now on whenever the user goes back or forth or edits it. */
export function follow(): void {
  const read = (): void => {
    clearTimeout(rewrite);
    rewrite = undefined;
    gestureUntil = 0;
    view.value = parse(location.hash);
  };
  read();
  window.addEventListener("popstate", read);
  // A link is complete from the first moment, even before anything was changed.
  history.replaceState(null, "", format(view.peek()));
  effect(() => {
    document.title = view.value.filter
      ? `${view.value.filter} · Fine-Grained Monitor`
      : "Fine-Grained Monitor";
  });
}
