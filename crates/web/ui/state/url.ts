// The state of the page as the fragment of its address: `#v=1&t=live:900&m=memory_current&f=ns:shop`.
// The fragment never reaches a server's log and works from a file. Pure; unknown keys are kept.

import type { Range, TimeState } from "./time";

/** One panel: the metric and the letters of its display flags, kept as they came. */
export interface PanelSpec {
  readonly metric: string;
  readonly flags: string;
}

/** The metric of the heat map, and what orders its rows. */
export interface HeatSpec {
  readonly metric: string;
  readonly sort: Sort;
}

export const SORTS = ["p99", "p95", "max", "avg", "name"] as const;
export type Sort = (typeof SORTS)[number];

/** Everything a link holds. */
export interface ViewState {
  readonly time: TimeState;
  /** Panels from top to bottom; null means the default ones. */
  readonly panels: readonly PanelSpec[] | null;
  /** The selection text, as typed. */
  readonly filter: string;
  /** Focused and pinned containers, by series id. */
  readonly focus: readonly string[];
  /** The pinned cursor, ms. */
  readonly cursor: number | null;
  /** The stretch that statistics are of. */
  readonly selection: Range | null;
  /** The heat map; null means one of what is most remarkable. */
  readonly heat: HeatSpec | "off" | null;
  /** What the range is compared with. */
  readonly compare: "prev" | Range | null;
  /** The dashboard that the view began as. */
  readonly dashboard: string | null;
  /** Times in UTC instead of the browser's zone. */
  readonly utc: boolean;
  /** Forced theme. */
  readonly theme: "dark" | "light" | null;
  /** Keys of other versions, in order. */
  readonly rest: readonly (readonly [string, string])[];
}

/** Panels shown at once. */
export const MAX_PANELS = 8;

export const DEFAULT_VIEW: ViewState = {
  time: { live: 900 },
  panels: null,
  filter: "",
  focus: [],
  cursor: null,
  selection: null,
  heat: null,
  compare: null,
  dashboard: null,
  utc: false,
  theme: null,
  rest: [],
};

const ID = /^[0-9a-f]{12}$/;
const METRIC = /^[a-z][a-z0-9_]*$/;

function seconds(text: string): number | null {
  if (!/^\d+(\.\d{1,3})?$/.test(text)) return null;
  const ms = Math.round(Number(text) * 1000);
  return Number.isSafeInteger(ms) ? ms : null;
}

function readTime(text: string): TimeState | null {
  const live = /^live:(\d+)$/.exec(text);
  if (live) {
    const length = Number(live[1]);
    return length > 0 && length <= 400 * 86_400 ? { live: length } : null;
  }
  const range = readRange(text);
  return range && { range };
}

function readRange(text: string): Range | null {
  const [from, to, more] = text.split("..");
  if (from === undefined || to === undefined || more !== undefined) return null;
  const start = seconds(from);
  const end = seconds(to);
  return start !== null && end !== null && end > start ? { start, end } : null;
}

/** `metric`, `metric:sort` or `off`. */
export function readHeat(text: string): HeatSpec | "off" | null {
  if (text === "off") return "off";
  const [metric = "", order = ""] = text.split(":");
  const sort = SORTS.find((one) => one === order) ?? "p99";
  return METRIC.test(metric) ? { metric, sort } : null;
}

export function readPanels(text: string): PanelSpec[] {
  const panels: PanelSpec[] = [];
  for (const part of text.split(",")) {
    const [metric = "", flags = ""] = part.split(":");
    if (!METRIC.test(metric) || panels.some((panel) => panel.metric === metric)) continue;
    panels.push({ metric, flags: flags.replace(/[^a-z]/g, "") });
    if (panels.length === MAX_PANELS) break;
  }
  return panels;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text; // A stray percent sign, typed by hand.
  }
}

/** Reads a fragment, with or without its `#`. What makes no sense falls back to the default. */
export function parse(fragment: string): ViewState {
  let view: ViewState = DEFAULT_VIEW;
  const rest: [string, string][] = [];
  for (const pair of fragment.replace(/^#/, "").split("&")) {
    if (pair === "") continue;
    const at = pair.indexOf("=");
    const key = decode(at < 0 ? pair : pair.slice(0, at));
    const value = at < 0 ? "" : decode(pair.slice(at + 1));
    switch (key) {
      case "v":
        break;
      case "t":
        view = { ...view, time: readTime(value) ?? view.time };
        break;
      case "m":
        view = { ...view, panels: readPanels(value) };
        break;
      case "f":
        view = { ...view, filter: value };
        break;
      case "c":
        view = { ...view, focus: value.split(",").filter((id) => ID.test(id)) };
        break;
      case "x":
        view = { ...view, cursor: seconds(value) };
        break;
      case "s":
        view = { ...view, selection: readRange(value) };
        break;
      case "hm":
        view = { ...view, heat: readHeat(value) };
        break;
      case "k":
        view = { ...view, compare: value === "prev" ? "prev" : readRange(value) };
        break;
      case "d":
        view = { ...view, dashboard: /^[\w-]{1,60}$/.test(value) ? value : null };
        break;
      case "tz":
        view = { ...view, utc: value === "utc" };
        break;
      case "th":
        view = { ...view, theme: value === "dark" || value === "light" ? value : null };
        break;
      default:
        rest.push([key, value]);
    }
  }
  return { ...view, rest };
}

const decimal = (ms: number): string => String(ms / 1000);
const between = ({ start, end }: Range): string => `${decimal(start)}..${decimal(end)}`;

// encodeURIComponent would also escape what a fragment may hold and a person wants to read.
function encode(text: string): string {
  return encodeURIComponent(text)
    .replaceAll("%3A", ":")
    .replaceAll("%2C", ",")
    .replaceAll("%20", "+")
    .replaceAll("%7C", "|")
    .replaceAll("%2F", "/");
}

/** Writes a fragment; defaults are left out except the time, which makes a link a link. */
export function format(view: ViewState): string {
  const pairs: [string, string][] = [["v", "1"]];
  const { time } = view;
  pairs.push([
    "t",
    "live" in time ? `live:${time.live}` : between(time.range),
  ]);
  if (view.panels !== null) {
    const list = view.panels.map(({ metric, flags }) => (flags ? `${metric}:${flags}` : metric));
    pairs.push(["m", list.join(",")]);
  }
  if (view.filter !== "") pairs.push(["f", view.filter]);
  if (view.focus.length > 0) pairs.push(["c", view.focus.join(",")]);
  if (view.cursor !== null) pairs.push(["x", decimal(view.cursor)]);
  if (view.selection !== null) pairs.push(["s", between(view.selection)]);
  if (view.heat !== null) pairs.push(["hm", view.heat === "off" ? "off" : `${view.heat.metric}:${view.heat.sort}`]);
  if (view.compare !== null) pairs.push(["k", view.compare === "prev" ? "prev" : between(view.compare)]);
  if (view.dashboard !== null) pairs.push(["d", view.dashboard]);
  if (view.utc) pairs.push(["tz", "utc"]);
  if (view.theme !== null) pairs.push(["th", view.theme]);
  pairs.push(...view.rest.map(([key, value]): [string, string] => [key, value]));
  return `#${pairs.map(([key, value]) => `${encode(key)}=${encode(value)}`).join("&")}`;
}
