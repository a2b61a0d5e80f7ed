// What each panel shows: which series stand out, which are crowd, which limit is drawn.

import type { Column, Frame } from "../data/fgmf";
import { rank, summarise, type Stats } from "../data/stats";
import type { EventRow, Metric, Note } from "../data/types";
import { formatValue } from "../data/units";
import { COLOURED } from "../plot/palette";
import type { Area, Ghost, LimitLine, Line, Marker, PanelModel } from "../plot/model";
import { readTheme } from "../plot/theme";
import { frameOf, subjectOf } from "./groups";
import { latest, limitOf } from "./limits";
import { stack, SUM, sum } from "./stack";
import * as store from "./store";

/** Up to here every series has its own line; above, the top ones lie over a density of all. */
export const LINES_AT_MOST = 24;

/** What is computed from a frame over one range, and kept while the pointer moves over it. */
interface Digest {
  readonly key: string;
  readonly rows: readonly Stats[];
  readonly columns: ReadonlyMap<string, Column>;
}

const NOTHING: Digest = { key: "", rows: [], columns: new Map() };
const digests = new WeakMap<Frame, Digest>();

function digest(frame: Frame | null, metric: string): Digest {
  if (!frame) return NOTHING;
  // Of the range that was loaded: while a gesture lasts the numbers stand still.
  const first = store.groupById.value.get(metric)?.parts[0] ?? metric;
  const range = store.loaded.value.get(first)?.range ?? null;
  const whole = range ?? { start: frame.t0, end: frame.t0 + frame.n * frame.step };
  const key = `${whole.start} ${whole.end}`;
  const kept = digests.get(frame);
  if (kept?.key === key) return kept;
  const rows = rank(summarise(frame, whole), "p99");
  const columns = new Map(frame.series.map((column) => [column.id, column]));
  const made = { key, rows, columns };
  digests.set(frame, made);
  return made;
}

/** The table of a metric over the loaded range, by 99th percentile. */
export const ranking = (metric: string): readonly Stats[] => digest(frameOf(metric), metric).rows;

/** How many of the series of a panel are coloured, for its head. */
export function colouredOf(count: number): number {
  return count > LINES_AT_MOST ? COLOURED : count;
}

const sums = new WeakMap<Frame, Frame>();

/** All series as one, made once. */
function sumOf(frame: Frame): Frame {
  const kept = sums.get(frame);
  if (kept) return kept;
  const made = sum(frame);
  sums.set(frame, made);
  return made;
}

/** A crowd that is the same as before must be the same array: it is drawn anew only when it changed. */
const crowds = new WeakMap<Frame, { readonly key: string; readonly crowd: readonly Column[] }>();

function crowdOf(frame: Frame, without: ReadonlySet<string>): readonly Column[] {
  const key = [...without].join();
  const kept = crowds.get(frame);
  if (kept?.key === key) return kept.crowd;
  const crowd = frame.series.filter(({ id }) => !without.has(id));
  crowds.set(frame, { key, crowd });
  return crowd;
}

/** What a person took out of the picture. */
function isOut(id: string): boolean {
  const { value: solo } = store.solo;
  return solo === null ? store.hidden.value.has(id) : solo !== id;
}

/** The picture of one panel. Reads the signals, so that an effect follows them. */
export function panelModel(metric: Metric, flags: string, isFirst: boolean): PanelModel {
  const whole = frameOf(metric.id);
  const isGroup = store.groupById.value.has(metric.id);
  const frame = whole && flags.includes("u") && !isGroup ? sumOf(whole) : whole;
  const { rows, columns } = digest(frame, metric.id);
  const shown = store.emphasised.value;
  const isStack = isGroup || flags.includes("s");
  const asDensity = flags.includes("d") && !isStack;
  const out = new Set(frame?.series.filter(({ id }) => isOut(id) && id !== SUM && !isGroup).map(({ id }) => id));
  const seen = rows.filter(({ id }) => !out.has(id));
  const own = asDensity ? [] : seen.length > LINES_AT_MOST ? seen.slice(0, COLOURED) : seen;
  const ids = new Set(own.map(({ id }) => id));
  for (const id of store.view.value.focus) if (columns.has(id) && !out.has(id)) ids.add(id);
  const crowded = asDensity || seen.length > LINES_AT_MOST;
  const crowd = frame && crowded && !isStack ? crowdOf(frame, new Set([...ids, ...out])) : [];
  if (shown !== null && columns.has(shown) && !out.has(shown)) ids.add(shown);
  return {
    range: store.range.value,
    unit: metric.unit,
    frame: frame && out.size > 0 ? { ...frame, series: frame.series.filter(({ id }) => !out.has(id)) } : frame,
    crowd,
    lines: isStack ? [] : lines(ids, columns, shown),
    areas: frame && isStack ? areas(frame, seen, shown, isGroup) : [],
    ghosts: isStack ? [] : ghosts(metric.id, flags, [...ids]),
    log: flags.includes("o") && !isStack,
    selection: store.view.value.selection,
    // One container's limit says nothing of many on top of each other.
    limit: whole && (isGroup || !/[su]/.test(flags)) ? limitLine(metric, whole, rows, shown) : null,
    markers: markers(store.events.value, store.notes.value),
    glyphs: isFirst,
  };
}

function lines(ids: ReadonlySet<string>, columns: ReadonlyMap<string, Column>, shown: string | null): Line[] {
  const theme = store.themeName.value;
  const dimmed = shown !== null && columns.has(shown);
  // The largest lie at the back, where the others do not hide behind them; what stands out in front.
  const order = [...ids].sort((a, b) => Number(a === shown) - Number(b === shown));
  const list: Line[] = [];
  for (const id of order) {
    const column = columns.get(id);
    if (!column) continue;
    const stands = id === shown;
    const colour = id === SUM ? readTheme().accent : store.colours.of(id, theme);
    list.push({ column, colour, opacity: dimmed && !stands ? 0.5 : 1, thickness: stands ? 2.1 : 1.3 });
  }
  return list;
}

const othersMade = new WeakMap<Frame, { readonly key: string; readonly frame: Frame }>();

/** The series without a layer of their own, as a frame that stays the same while they do. */
function othersOf(frame: Frame, series: readonly Column[]): Frame {
  const key = series.map(({ id }) => id).join();
  const made = othersMade.get(frame);
  if (made?.key === key) return made.frame;
  const others = { ...frame, series };
  othersMade.set(frame, { key, frame: others });
  return others;
}

/** Layers: the parts of a group as declared, else the largest at the bottom and all others on top. */
function areas(frame: Frame, rows: readonly Stats[], shown: string | null, isGroup: boolean): Area[] {
  const byId = new Map(frame.series.map((column) => [column.id, column]));
  const top = isGroup ? frame.series.map(({ id }) => id) : rows.slice(0, COLOURED).map(({ id }) => id);
  const kept = new Set(top);
  const others = frame.series.filter(({ id }) => !isGroup && !kept.has(id) && !isOut(id));
  const rest = others.length > 0 ? sumOf(othersOf(frame, others)).series : [];
  const columns = [...top.flatMap((id) => byId.get(id) ?? []), ...rest];
  const theme = store.themeName.value;
  const dimmed = shown !== null && byId.has(shown);
  return stack(frame, columns).map(({ id, low, high }) => ({
    low,
    high,
    colour: kept.has(id) ? store.colours.of(id, theme) : readTheme().crowd,
    opacity: dimmed && id !== shown ? 0.4 : 0.82,
  }));
}

/** The lines of the range that this one is compared with: of those that stand out. */
function ghosts(metric: string, flags: string, ids: readonly string[]): Ghost[] {
  const whole = store.ghosts.value.get(metric);
  if (!whole) return [];
  const frame = flags.includes("u") ? sumOf(whole) : whole;
  const theme = store.themeName.value;
  const focus = store.view.value.focus.filter((id) => ids.includes(id));
  const wanted = flags.includes("u") ? [SUM] : focus.length > 0 ? focus : ids;
  return wanted.flatMap((id) => {
    const column = frame.series.find((one) => one.id === id);
    return column ? [{ frame, column, colour: id === SUM ? readTheme().muted : store.colours.of(id, theme) }] : [];
  });
}

/** The limit of what stands out, else of what is closest to its own. */
function limitLine(metric: Metric, frame: Frame, rows: readonly Stats[], shown: string | null): LimitLine | null {
  const subject = subjectOf(metric.id);
  let id = subject ?? shown;
  let found = id === null ? null : limitOf(metric, frameOf, id);
  if (subject === null && (shown === null || !frame.series.some((column) => column.id === shown))) {
    let closest = 0;
    for (const row of rows) {
      const limit = limitOf(metric, frameOf, row.id);
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
    colour: subject === null ? store.colours.of(id, store.themeName.value) : readTheme().bad,
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
const NOTE: Omit<Marker, "time"> = { glyph: "✎", tone: "accent", solid: false };

export const signOf = (kind: string): Omit<Marker, "time"> | null => SIGNS[kind] ?? null;

/** Events that a person acts on. */
export const isIncident = (event: EventRow): boolean => event.kind === "oom_kill" || event.kind === "restarted";

export function markers(events: readonly EventRow[], notes: readonly Note[]): Marker[] {
  const list: Marker[] = notes.map(({ time_ms }) => ({ ...NOTE, time: time_ms }));
  for (const { kind, time_ms } of events) {
    const sign = SIGNS[kind];
    if (sign) list.push({ ...sign, time: time_ms });
  }
  return list.sort((a, b) => a.time - b.time);
}
