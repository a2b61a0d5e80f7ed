// The state of the page, in one place: signals that the parts read, and nothing that draws or asks.

import { computed, signal } from "@preact/signals";
import type { Frame } from "../data/fgmf";
import type { DiffQuery } from "../data/source";
import type { Container, Dashboard, Differences, EventRow, Group, Meta, Metric, Node, Note, Ranking } from "../data/types";
import { Colours, type ThemeName } from "../plot/palette";
import type { Pointer } from "../plot/panel";
import { SUM } from "./stack";
import { resolve, type Range } from "./time";
import { DEFAULT_VIEW, type HeatSpec, type PanelSpec, type ViewState } from "./url";

/** What is there of one metric. */
export interface Loaded {
  readonly frame: Frame | null;
  /** The range and width that the frame was asked for, or null before the first answer. */
  readonly key: string | null;
  readonly range: Range | null;
  readonly error: { readonly message: string; readonly url: string } | null;
}

/** Whether the server answers. */
export type Connection =
  | { readonly state: "up" }
  | { readonly state: "away"; readonly message: string; readonly retryAt: number };

/** The crosshair: a time, and the panel and place of the pointer if it is on one. */
export interface Cursor {
  readonly time: number;
  readonly panel: string | null;
  readonly pointer: Pointer | null;
}

export type ThemeChoice = "auto" | ThemeName;

export const DEFAULT_PANELS: readonly string[] = [
  "cpu_usage_millicores",
  "cpu_throttled_percent",
  "memory_current",
  "memory_psi_some_percent",
];

/** An answer that a part of the page waits for. */
export interface Answer<T> {
  readonly key: string;
  readonly value: T | null;
  readonly error: string | null;
}

/** What the inspector shows. */
export type Tab = "ranking" | "events" | "range" | "notes";

export const view = signal<ViewState>(DEFAULT_VIEW);
export const meta = signal<Meta | null>(null);
export const metrics = signal<readonly Metric[]>([]);
/** Containers of the range that the selection matches. */
export const containers = signal<readonly Container[]>([]);
/** All containers of the range. */
export const everyone = signal<readonly Container[]>([]);
/** Whether the lists have come once. */
export const listed = signal(false);
export const events = signal<readonly EventRow[]>([]);
/** Events of everything stored, for the strip on top. */
export const allEvents = signal<readonly EventRow[]>([]);
/** The nodes of the gateway below which this page is. */
export const nodes = signal<readonly Node[]>([]);
export const notes = signal<readonly Note[]>([]);
export const groups = signal<readonly Group[]>([]);
export const dashboards = signal<readonly Dashboard[]>([]);
export const overview = signal<{ readonly metric: string; readonly frame: Frame } | null>(null);
export const heat = signal<Answer<Frame> | null>(null);
export const ranked = signal<Answer<Ranking> | null>(null);
/** The selected stretch of which it was asked what differs. */
export const differingIn = signal<Range | null>(null);
/** What differs in it, under the key of the question. */
export const differing = signal<Answer<Differences> | null>(null);
/** The frames of the range that this one is compared with, moved onto it. */
export const ghosts = signal<ReadonlyMap<string, Frame>>(new Map());
export const loaded = signal<ReadonlyMap<string, Loaded>>(new Map());
export const busy = signal(false);
export const connection = signal<Connection>({ state: "up" });
/** Time of the newest sample, ms; 0 before it is known. */
export const newest = signal(0);
/** Width of the strip on top, CSS pixels. */
export const stripWidth = signal(0);
/** Width of the plots, CSS pixels. */
export const plotWidth = signal(0);
export const hover = signal<Cursor | null>(null);
/** The panel whose numbers the ranking shows. */
export const activePanel = signal<string | null>(null);
/** The series below the pointer in a list. */
export const pointed = signal<string | null>(null);
export const helpOpen = signal(false);
export const paletteOpen = signal(false);
/** The tab that was chosen; null leaves it to what there is. */
export const chosenTab = signal<Tab | null>(null);
/** The panel that fills the column. */
export const maximised = signal<string | null>(null);
/** The panel whose numbers are shown as a table. */
export const tableOf = signal<string | null>(null);
/** The event whose card is open. */
export const openEvent = signal<string | null>(null);
/** A second pin: time and value are told against the first. */
export const secondPin = signal<number | null>(null);
/** Whether a drag selects without Ctrl. */
export const selecting = signal(false);
/** The note being written; null when none is. */
export const draft = signal<Omit<Note, "version"> & { readonly version: string | null } | null>(null);
/** A sentence that passes: what was copied, saved or refused. */
export const said = signal<{ readonly text: string; readonly bad: boolean } | null>(null);
/** Containers that are not drawn. */
export const hidden = signal<ReadonlySet<string>>(new Set());
export const solo = signal<string | null>(null);
export const themeChoice = signal<ThemeChoice>("auto");
export const themeName = signal<ThemeName>("dark");

export const colours = new Colours();

export const range = computed<Range>(() => resolve(view.value.time, newest.value));
export const live = computed(() => "live" in view.value.time);

/** The panels from top to bottom. */
export const panels = computed<readonly PanelSpec[]>(
  () => view.value.panels ?? DEFAULT_PANELS.map((metric) => ({ metric, flags: "" })),
);

export const groupById = computed(() => new Map(groups.value.map((group) => [group.id, group])));

/** Metrics, and the groups as metrics of their own. */
export const pickable = computed<readonly Metric[]>(() => [
  ...metrics.value,
  ...groups.value.map(
    (group): Metric => ({
      ...group,
      category: group.id.startsWith("cpu") ? "cpu" : "memory",
      kind: "group",
      derived: true,
    }),
  ),
]);
export const metricById = computed(() => new Map(pickable.value.map((metric) => [metric.id, metric])));

/** Everything stored, up to the newest sample. */
export const stored = computed<Range>(() => {
  const end = Math.max(newest.value, meta.value?.last_ms ?? 0);
  const first = meta.value?.first_ms ?? end - 3_600_000;
  return { start: Math.min(first, end - 60_000), end };
});

/** The range that this one is compared with. */
export const compared = computed<Range | null>(() => {
  const { compare } = view.value;
  if (compare === null) return null;
  if (compare !== "prev") return compare;
  const { start, end } = range.value;
  return { start: start - (end - start), end: start };
});

/** The question for it: against the chosen range, else against as long just before. */
export const diffQuery = computed<DiffQuery | null>(() => {
  const asked = differingIn.value;
  if (asked === null) return null;
  const { compare, filter: sel } = view.value;
  const [start, end] = [Math.round(asked.start), Math.round(asked.end)];
  const before = compare !== null && compare !== "prev" ? compare : { start: start - (end - start), end: start - 1 };
  const ms = (time: number): number => Math.max(0, Math.round(time));
  return { a: `${ms(before.start)}..${ms(before.end)}`, b: `${start}..${end}`, sel };
});

export const keyOfDiff = ({ a, b, sel }: DiffQuery): string => `${a} ${b} ${sel}`;

/** What the heat map is of: as chosen, else throttling where there is any, else CPU. */
export const heatSpec = computed<HeatSpec | null>(() => {
  const { heat: chosen } = view.value;
  if (chosen === "off") return null;
  if (chosen !== null) return chosen;
  const throttled = loaded.value.get("cpu_throttled_percent")?.frame;
  const some = throttled?.series.some(({ max }) => (max ?? 0) >= REMARKABLE_PERCENT) ?? false;
  return { metric: some ? "cpu_throttled_percent" : "cpu_usage_millicores", sort: "p99" };
});

/** Throttling from here on is what a person wants to see first. */
const REMARKABLE_PERCENT = 5;

/** Names of everything ever listed: a line keeps its name when its container has left the range. */
const known = new Map<string, Container>();
export const containerById = computed<ReadonlyMap<string, Container>>(() => {
  for (const one of everyone.value) known.set(one.id, one);
  for (const one of containers.value) known.set(one.id, one);
  return new Map(known);
});

/** The panel of the ranking: the one last pointed at, else the topmost. */
export const rankedPanel = computed<string | null>(() => {
  const list = panels.value;
  const active = activePanel.value;
  if (active !== null && list.some(({ metric }) => metric === active)) return active;
  return list[0]?.metric ?? null;
});

/** The crosshair: the pointer's, else the pinned one. */
export const cursor = computed<Cursor | null>(() => {
  if (hover.value) return hover.value;
  const pinned = view.value.cursor;
  return pinned === null ? null : { time: pinned, panel: null, pointer: null };
});

/** The series that stands out: pointed at in a list, else nearest to the pointer, else focused. */
export const emphasised = computed<string | null>(() => {
  if (pointed.value !== null) return pointed.value;
  const hit = hover.value?.pointer?.hits[0];
  if (hit && hit.distance < 28) return hit.id;
  return view.value.focus[0] ?? null;
});

/** The name of this node at the gateway; null without one. */
export const nodeAt = computed<string | null>(() => meta.value?.base?.split("/").at(-2) ?? null);

/** How a container is called, and where it belongs. */
export function nameOf(id: string): { name: string; place: string } {
  const found = containerById.value.get(id);
  if (!found) return { name: metricById.value.get(id)?.title ?? (id === SUM ? "sum of all" : id), place: "" };
  // The root cgroup: what is left to show where there is no other.
  if (found.cgroup_path === "/") return { name: meta.value?.node || "/", place: "whole machine" };
  const name = found.name || found.container || id;
  if (found.namespace) return { name, place: found.namespace };
  const parent = (found.cgroup_path ?? "").split("/").slice(0, -1).filter(Boolean).at(-1) ?? "";
  return { name, place: parent === name ? "" : parent };
}

