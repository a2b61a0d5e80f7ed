// The colours of the page as the canvas needs them: CSS owns them, this reads them.

import type { ThemeName } from "./palette";

export interface Theme {
  readonly name: ThemeName;
  readonly text: string;
  readonly muted: string;
  readonly faint: string;
  readonly grid: string;
  /** What panels are painted on. */
  readonly surface: string;
  readonly accent: string;
  readonly bad: string;
  readonly warn: string;
  /** The strip on top: the extremes, and the mean. */
  readonly envelope: string;
  readonly mean: string;
  /** Colour of the crowd that is not told apart. */
  readonly crowd: string;
  readonly font: string;
}

export function readTheme(): Theme {
  const root = document.documentElement;
  const style = getComputedStyle(root);
  const get = (name: string): string => style.getPropertyValue(name).trim();
  return {
    name: root.dataset["theme"] === "light" ? "light" : "dark",
    text: get("--tx"),
    muted: get("--t2"),
    faint: get("--t3"),
    grid: get("--grid"),
    surface: get("--s1"),
    accent: get("--ac"),
    bad: get("--bad"),
    warn: get("--warn"),
    envelope: get("--env"),
    mean: get("--mean"),
    crowd: get("--crowd"),
    font: `10.5px ${get("--f")}`,
  };
}
