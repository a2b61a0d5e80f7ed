// What the parts may ask of the loader, the source and each other's pictures without knowing them.

import type { DataSource } from "../data/source";
import type { PanelView } from "../plot/panel";

let retry: () => void = () => undefined;
let known: DataSource | null = null;

export const again = (): void => retry();

export function onAgain(run: () => void): void {
  retry = run;
}

export function useSource(source: DataSource): void {
  known = source;
}

/** Where data come from. */
export function source(): DataSource {
  if (!known) throw new Error("the page has no source yet");
  return known;
}

/** The pictures of the panels, by metric. */
export const pictures = new Map<string, PanelView>();
