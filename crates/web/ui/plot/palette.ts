// Colours of series. The first twelve are chosen to stay apart for every kind of colour vision on
// their surface; beyond them the hue goes on by the golden angle. Pure.

export type ThemeName = "dark" | "light";

const SETS: Readonly<Record<ThemeName, readonly string[]>> = {
  dark: [
    "#67acf7", "#e7ad01", "#bb565d", "#93c5a5", "#9a5fac", "#d87d4c",
    "#92fef9", "#f5f031", "#5e7cfa", "#bfe6a1", "#b488a9", "#7dd4fb",
  ],
  light: [
    "#2063bf", "#b78a16", "#721118", "#3ea0be", "#490b94", "#ad5c18",
    "#9079fe", "#885560", "#e06283", "#614a87", "#91380e", "#592656",
  ],
};

/** Series that are told apart by colour; the rest of a crowd is drawn as density. */
export const COLOURED = SETS.dark.length;

const LIGHTNESS: Readonly<Record<ThemeName, readonly number[]>> = {
  dark: [0.76, 0.68, 0.84],
  light: [0.48, 0.55, 0.4],
};

const GOLDEN_ANGLE = 2.399963;

/** The colour of the container that was seen as number `slot`. */
export function colour(slot: number, theme: ThemeName): string {
  const set = SETS[theme];
  if (slot < set.length) return set[slot];
  const steps = LIGHTNESS[theme];
  return oklch(steps[slot % steps.length], 0.11, (slot - set.length) * GOLDEN_ANGLE);
}

/** OKLCH to sRGB, clipped; hue in radians. */
function oklch(lightness: number, chroma: number, hue: number): string {
  const a = chroma * Math.cos(hue);
  const b = chroma * Math.sin(hue);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  const hex = linear.map((value) => {
    const bent = value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055;
    const byte = Math.round(Math.min(1, Math.max(0, bent)) * 255);
    return byte.toString(16).padStart(2, "0");
  });
  return `#${hex.join("")}`;
}

/** Remembers which container got which colour: it must not change while zooming. */
export class Colours {
  private readonly slots = new Map<string, number>();
  private readonly fixed = new Map<string, number>();

  /** Gives a part of a whole its place in the set: it takes no colour from the containers. */
  fix(id: string, slot: number): void {
    this.fixed.set(id, slot);
  }

  /** Gives colours to those that have none, in that order. */
  assign(ids: Iterable<string>): void {
    for (const id of ids) if (!this.slots.has(id)) this.slots.set(id, this.slots.size);
  }

  /** The colour it has already, if any: a list that comes before the ranking must not give colours. */
  known(id: string, theme: ThemeName): string | null {
    const slot = this.fixed.get(id) ?? this.slots.get(id);
    return slot === undefined ? null : colour(slot, theme);
  }

  of(id: string, theme: ThemeName): string {
    const fixed = this.fixed.get(id);
    if (fixed !== undefined) return colour(fixed, theme);
    this.assign([id]);
    return colour(this.slots.get(id) ?? 0, theme);
  }
}
