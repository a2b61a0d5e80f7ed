// What each panel shows: which series stand out, which are crowd, which limit is drawn.

import type { Column, Frame } from "../data/fgmf";
import { rank, summarise, type Stats } from "../data/stats";
import type { EventRow, Metric } from "../data/types";
import { formatValue } from "../data/units";
import { COLOURED } from "../plot/palette";
import type { LimitLine, Line, Marker, PanelModel } from "../plot/model";
import { latest, limitOf } from "./limits";
import * as store from "./store";

/** Up to here every series has its own line; above, the top ones lie over a density of all. */
export const LINES_AT_MOST = 24;

/** What is computed from a frame over one range, and kept while the pointer moves over it. */
interface Digest {
  readonly key: string;
  readonly rows: readonly Stats[];
  readonly columns: ReadonlyMap<string, Column>;
  /** All but the coloured ones, where there are too many for lines. */
  readonly crowd: readonly Column[];
}

const NOTHING: Digest = { key: "", rows: [], columns: new Map(), crowd: [] };
const digests = new WeakMap<Frame, Digest>();

function digest(metric: string): Digest {
  const one = store.loaded.value.get(metric);
  if (!one?.frame) return NOTHING;
  // Of the range that was loaded: while a gesture lasts the numbers stand still.
  const { frame, range = null } = one;
  const whole = range ?? { start: frame.t0, end: frame.t0 + frame.n * frame.step };
  const key = `${whole.start} ${whole.end}`;
  const kept = digests.get(frame);
  if (kept?.key === key) return kept;
  const rows = rank(summarise(frame, whole), "p99");
  const top = new Set(rows.slice(0, COLOURED).map(({ id }) => id));
  const crowd = rows.length > LINES_AT_MOST ? frame.series.filter(({ id }) => !top.has(id)) : [];
  const columns = new Map(frame.series.map((column) => [column.id, column]));
  const made = { key, rows, columns, crowd };
  digests.set(frame, made);
  return made;
}

/** The table of a metric over the loaded range, by 99th percentile. */
export const ranking = (metric: string): readonly Stats[] => digest(metric).rows;

/** How many of the series of a panel are coloured, for its head. */
export function colouredOf(count: number): number {
  return count > LINES_AT_MOST ? COLOURED : count;
}

/** The picture of one panel. Reads the signals, so that an effect follows them. */
export function panelModel(metric: Metric, isFirst: boolean): PanelModel {
  const frame = store.loaded.value.get(metric.id)?.frame ?? null;
  const theme = store.themeName.value;
  const shown = store.emphasised.value;
  const { focus } = store.view.value;
  const { rows, columns, crowd } = digest(metric.id);
  const own = rows.length > LINES_AT_MOST ? rows.slice(0, COLOURED) : rows;
  const ids = new Set(own.map(({ id }) => id));
  for (const id of [...focus, ...(shown === null ? [] : [shown])]) if (columns.has(id)) ids.add(id);
  const dimmed = shown !== null && columns.has(shown);
  // The largest lie at the back, where the others do not hide behind them; what stands out in front.
  const order = [...ids].sort((a, b) => Number(a === shown) - Number(b === shown));
  const lines: Line[] = [];
  for (const id of order) {
    const column = columns.get(id);
    if (!column) continue;
    const stands = id === shown;
    lines.push({
      column,
      colour: store.colours.of(id, theme),
      opacity: stands ? 1 : dimmed ? 0.5 : 0.9,
      thickness: stands ? 2.1 : 1.3,
    });
  }
  return {
    range: store.range.value,
    unit: metric.unit,
    frame,
    crowd,
    lines,
    limit: frame ? limitLine(metric, frame, rows, shown) : null,
    markers: markers(store.events.value),
    glyphs: isFirst,
  };
}

/** The limit of what stands out, else of what is closest to its own. */
function limitLine(
  metric: Metric,
  frame: Frame,
  rows: readonly Stats[],
  shown: string | null,
): LimitLine | null {
  const frames = store.frameOf;
  let id = shown;
  let found = id === null ? null : limitOf(metric, frames, id);
  if (shown === null || !frame.series.some((column) => column.id === shown)) {
    let closest = 0;
    for (const row of rows) {
      const limit = limitOf(metric, frames, row.id);
      const value = limit ? latest(limit.column) : null;
      if (!limit || !value || row.max === null || row.max / value <= closest) continue;
      closest = row.max / value;
      id = row.id;
      found = limit;
    }
  }
  if (!found || id === null) return null;
  const text = formatValue(latest(found.column), metric.unit);
  return {
    ...found,
    colour: store.colours.of(id, store.themeName.value),
    label: `limit ${text} · ${store.nameOf(id).name}`,
  };
}

/** Kinds that are worth a line through every panel, and their sign. */
const SIGNS: Readonly<Record<string, Omit<Marker, "time">>> = {
  oom_kill: { glyph: "✕", tone: "bad", solid: true },
  restarted: { glyph: "↻", tone: "muted", solid: false },
  throttling_started: { glyph: "▲", tone: "warn", solid: false },
  limit_changed: { glyph: "⚑", tone: "accent", solid: false },
};

export const signOf = (kind: string): Omit<Marker, "time"> | null => SIGNS[kind] ?? null;

export function markers(events: readonly EventRow[]): Marker[] {
  const list: Marker[] = [];
  for (const { kind, time_ms } of events) {
    const sign = SIGNS[kind];
    if (sign) list.push({ ...sign, time: time_ms });
  }
  return list;
}
