// What a panel is told to draw. The state decides what is shown and how; the panel only draws it.

import type { Column, Frame, Plane } from "../data/fgmf";
import type { Range } from "../state/time";

/** A line that is told apart from the others. */
export interface Line {
  readonly column: Column;
  readonly colour: string;
  readonly opacity: number;
  /** CSS pixels. */
  readonly thickness: number;
}

/** A limit over time, drawn dashed. */
export interface LimitLine {
  readonly column: Column;
  readonly frame: Frame;
  readonly colour: string;
  readonly label: string;
}

/** A layer of a stack. */
export interface Area {
  readonly low: Plane;
  readonly high: Plane;
  readonly colour: string;
  readonly opacity: number;
}

/** A line of another range, laid over this one. */
export interface Ghost {
  readonly frame: Frame;
  readonly column: Column;
  readonly colour: string;
}

/** Something that happened, drawn through all panels. */
export interface Marker {
  readonly time: number;
  readonly glyph: string;
  readonly tone: "bad" | "warn" | "muted" | "accent";
  readonly solid: boolean;
}

export interface PanelModel {
  readonly range: Range;
  readonly unit: string;
  readonly frame: Frame | null;
  /** Drawn as one crowd, below the lines. */
  readonly crowd: readonly Column[];
  /** From back to front. */
  readonly lines: readonly Line[];
  /** From bottom to top. */
  readonly areas: readonly Area[];
  readonly ghosts: readonly Ghost[];
  /** Drawn by the logarithm. */
  readonly log: boolean;
  /** The stretch that statistics are of. */
  readonly selection: Range | null;
  readonly limit: LimitLine | null;
  readonly markers: readonly Marker[];
  /** Whether the glyphs of the markers stand above this panel. */
  readonly glyphs: boolean;
}
