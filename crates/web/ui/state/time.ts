// Arithmetic of time ranges: zoom, pan, presets, the ladder of steps, and how a time is written.
// Pure; times are milliseconds UTC, as everywhere on the wire.

/** A stretch of time, start inclusive. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** What the page looks at: a fixed range, or the last `seconds` up to the newest sample. */
export type TimeState = { readonly live: number } | { readonly range: Range };

/** The buttons of the header, in seconds; keys 1 to 6. */
export const PRESETS: readonly { readonly label: string; readonly seconds: number }[] = [
  { label: "5m", seconds: 300 },
  { label: "15m", seconds: 900 },
  { label: "1h", seconds: 3600 },
  { label: "6h", seconds: 21_600 },
  { label: "24h", seconds: 86_400 },
  { label: "7d", seconds: 604_800 },
];

/** Bucket widths the server reduces to, in seconds. */
export const LADDER: readonly number[] = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600,
];

/** The shortest range one can zoom into. */
export const MIN_SPAN_MS = 5_000;
/** The longest; beyond it nothing is stored by default. */
export const MAX_SPAN_MS = 400 * 86_400_000;

export const span = (range: Range): number => range.end - range.start;

/** The bucket that a range drawn `px` wide calls for, in ms: never finer than the samples. */
export function ladderStep(spanMs: number, px: number, intervalMs: number): number {
  const samples = spanMs / intervalMs;
  if (samples <= px) return intervalMs;
  for (const seconds of LADDER) {
    const step = seconds * 1000;
    if (step >= intervalMs && spanMs / step <= px) return step;
  }
  return LADDER[LADDER.length - 1] * 1000;
}

/** `range` scaled by `factor` with the time `at` staying where it is on screen. */
export function zoomAt(range: Range, at: number, factor: number): Range {
  const before = span(range);
  const after = Math.min(MAX_SPAN_MS, Math.max(MIN_SPAN_MS, before * factor));
  const share = before > 0 ? (at - range.start) / before : 0.5;
  const start = Math.round(at - share * after);
  return { start, end: start + Math.round(after) };
}

/** `range` moved by a share of its own width. */
export function pan(range: Range, share: number): Range {
  const by = Math.round(span(range) * share);
  return { start: range.start + by, end: range.end + by };
}

/** `range` pushed back inside what is stored, with its width kept where it fits. */
export function keepInside(range: Range, stored: Range): Range {
  const width = span(range);
  // Half a window of air on both sides, so that an edge can be looked at in the middle.
  const low = stored.start - width / 2;
  const high = stored.end + width / 2;
  if (high - low <= width) return range;
  if (range.start < low) return { start: Math.round(low), end: Math.round(low + width) };
  if (range.end > high) return { start: Math.round(high - width), end: Math.round(high) };
  return range;
}

/** The range that `state` means, `newest` being the time of the newest sample. */
export function resolve(state: TimeState, newest: number): Range {
  if ("range" in state) return state.range;
  return { start: newest - state.live * 1000, end: newest };
}

const two = (n: number): string => String(n).padStart(2, "0");

let inUtc = false;

/** Writes times in UTC from now on, or in the zone of the browser. */
export function writeUtc(utc: boolean): void {
  inUtc = utc;
}

/** A date whose UTC fields are those of the zone that times are written in. */
function fields(ms: number): Date {
  return inUtc ? new Date(ms) : new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
}

/** What must be added to a time so that a date's local fields are those of the zone. */
export const zoneShift = (ms: number): number => (inUtc ? new Date(ms).getTimezoneOffset() * 60_000 : 0);

/** Clock time. */
export function clock(ms: number, withSeconds = true): string {
  const date = fields(ms);
  const minutes = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`;
  return withSeconds ? `${minutes}:${two(date.getUTCSeconds())}` : minutes;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `24 Nov`. */
export function day(ms: number): string {
  const date = fields(ms);
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
}

/** `14:02:10 → 15:02:10`, with days where the range leaves one. */
export function rangeText(range: Range): string {
  if (day(range.start) === day(range.end)) return `${clock(range.start)} → ${clock(range.end)}`;
  return `${day(range.start)} ${clock(range.start, false)} → ${day(range.end)} ${clock(range.end, false)}`;
}

/** A length of time in its two largest units: `1h`, `2m 30s`, `1.5s`. */
export function duration(ms: number): string {
  if (ms < 60_000) return `${Number((ms / 1000).toFixed(ms < 10_000 ? 1 : 0))}s`;
  const parts: [number, string][] = [
    [86_400_000, "d"],
    [3_600_000, "h"],
    [60_000, "m"],
    [1000, "s"],
  ];
  const out: string[] = [];
  let rest = Math.round(ms / 1000) * 1000;
  for (const [unit, name] of parts) {
    const count = Math.floor(rest / unit);
    rest -= count * unit;
    if (count > 0) out.push(`${count}${name}`);
    else if (out.length > 0) break;
    if (out.length === 2) break;
  }
  return out.join(" ");
}

/** The days or hours that begin in a range, `every` ms apart as clocks have it. */
export function marksIn(range: Range, every: number): number[] {
  const offset = (ms: number): number => (inUtc ? 0 : new Date(ms).getTimezoneOffset() * 60_000);
  const first = Math.ceil((range.start - offset(range.start)) / every) * every + offset(range.start);
  const marks: number[] = [];
  for (let at = first; at <= range.end; at += every) marks.push(at);
  return marks;
}

/** The offset of the zone that times are written in, as `UTC+2`. */
export function zone(ms: number): string {
  const minutes = inUtc ? 0 : -new Date(ms).getTimezoneOffset();
  if (minutes === 0) return "UTC";
  const hours = Math.trunc(Math.abs(minutes) / 60);
  const rest = Math.abs(minutes) % 60;
  return `UTC${minutes < 0 ? "−" : "+"}${hours}${rest ? `:${two(rest)}` : ""}`;
}
