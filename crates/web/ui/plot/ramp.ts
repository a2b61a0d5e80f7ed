// The colours of a heat map, in the order of the eye: from the surface to the light on a dark
// theme, and to the dark on a light one. Pure.

import type { ThemeName } from "./palette";
import { mixed, type Rgb, rgb } from "./raster";

const STOPS: Readonly<Record<ThemeName, readonly string[]>> = {
  dark: ["#131a2b", "#2b2f63", "#5d3a8c", "#9d4384", "#d65d62", "#f2944f", "#fbd26a", "#fdf6c3"],
  light: ["#eef2f8", "#c9d6ee", "#a9aee0", "#9c7fc6", "#94509c", "#7f2a66", "#571636", "#2b0a14"],
};
const STEPS = 64;

const made = new Map<ThemeName, readonly Rgb[]>();

/** The steps of the ramp, lowest first. */
export function ramp(theme: ThemeName): readonly Rgb[] {
  const known = made.get(theme);
  if (known) return known;
  const stops = STOPS[theme].map(rgb);
  const steps = Array.from({ length: STEPS }, (_, i): Rgb => {
    const at = (i / (STEPS - 1)) * (stops.length - 1);
    const low = Math.min(stops.length - 2, Math.floor(at));
    return mixed(stops[low + 1], stops[low], at - low);
  });
  made.set(theme, steps);
  return steps;
}

/** The ramp as a CSS gradient, for a legend. */
export const gradient = (theme: ThemeName): string => `linear-gradient(90deg, ${STOPS[theme].join(", ")})`;
