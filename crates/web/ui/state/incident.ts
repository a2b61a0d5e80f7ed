// An event in words: a sentence for a list, facts for its card, Markdown for a ticket. Pure.

import type { EventRow } from "../data/types";
import { formatValue } from "../data/units";

const KINDS: Readonly<Record<string, string>> = {
  oom_kill: "OOM kill",
  restarted: "restarted",
  started: "started",
  ended: "ended",
  limit_changed: "limit changed",
  throttling_started: "throttled",
  throttling_ended: "throttling ended",
  tick_late: "late reading",
  tick_missed: "missed readings",
  clock_step: "clock was set",
  recorder_started: "recorder started",
  recorder_stopped: "recorder stopped",
  pss_skipped: "too large for PSS",
};

export const kindText = (kind: string): string => KINDS[kind] ?? kind.replaceAll("_", " ");

type Detail = Readonly<Record<string, unknown>>;

/** A value in the unit that its key carries. */
function written(key: string, value: unknown): string {
  if (typeof value === "number") {
    if (key.endsWith("_bytes_per_s")) return formatValue(value, "bytes_per_s");
    if (key.endsWith("_bytes")) return formatValue(value, "bytes");
    if (key.endsWith("_usec")) return formatValue(value, "usec");
    if (key.endsWith("_at_ms")) return new Date(value).toISOString();
    if (key.endsWith("_ms")) return formatValue(value, "ms");
    if (key.endsWith("percent")) return formatValue(value, "percent");
  }
  return Array.isArray(value) ? value.join(", ") : String(value);
}

const label = (key: string): string => key.replace(/_(bytes|usec|at_ms|ms|bytes_per_s)$/, "").replaceAll("_", " ");

const asObject = (value: unknown): Detail | null =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Detail) : null;

/** A limit before and after; null is unlimited. */
function limitChange(change: Detail): string {
  const limit = String(change["limit"]);
  const unit = limit.startsWith("memory") ? "bytes" : limit.endsWith("_usec") ? "usec" : "count";
  const side = (value: unknown): string => (typeof value === "number" ? formatValue(value, unit) : "unlimited");
  return `${limit} ${side(change["before"])} → ${side(change["after"])}`;
}

const changesOf = ({ detail }: EventRow): readonly Detail[] => {
  const list: unknown = detail["changes"];
  return Array.isArray(list) ? list.map(asObject).filter((one) => one !== null) : [];
};

/** The facts of an event, as pairs of words. */
export function facts(event: EventRow): (readonly [string, string])[] {
  const pairs: (readonly [string, string])[] = changesOf(event).map((change, i) => [
    i === 0 ? "change" : `change ${i + 1}`,
    limitChange(change),
  ]);
  const add = (detail: Detail, before: string): void => {
    for (const [key, value] of Object.entries(detail)) {
      if (value === null || value === "" || key === "changes") continue;
      if (Array.isArray(value) && value.length === 0) continue;
      const inner = asObject(value);
      if (inner) add(inner, `${before}${label(key)} `);
      else pairs.push([before + label(key), written(key, value)]);
    }
  };
  add(event.detail, "");
  return pairs;
}

/** What a list says of an event beside its kind and container. */
function headline(event: EventRow): string[] {
  const { detail } = event;
  const of = (key: string): string | null => {
    const value = detail[key];
    return value === null || value === undefined ? null : written(key, value);
  };
  const say = (text: string, key: string): string[] => {
    const value = of(key);
    return value === null ? [] : [text.replace("*", value)];
  };
  switch (event.kind) {
    case "oom_kill": {
      const victim = asObject(detail["victim"])?.["name"];
      return [...say("limit *", "limit_bytes"), ...(typeof victim === "string" ? [victim] : [])];
    }
    case "restarted":
      return [...say("#*", "restart_count"), ...say("exit *", "exit_code"), ...say("*", "reason")];
    case "throttling_started":
    case "throttling_ended":
      return say("* of periods", "throttled_percent");
    case "limit_changed":
      return changesOf(event).map(limitChange);
    default:
      return [];
  }
}

/** The event in one line. */
export const sentence = (event: EventRow, who: string): string =>
  [`${kindText(event.kind)} · ${who}`, ...headline(event)].join(" · ");

/** What is told beside an incident: a metric's value at that moment. */
export interface Told {
  readonly title: string;
  readonly value: string;
}

/** An incident for a ticket or a chat. */
export function markdown(
  event: EventRow,
  who: string,
  node: string,
  told: readonly Told[],
  link: string,
): string {
  const plain = (text: string): string => text.replace(/[\\`*_<>[\]|]/g, "\\$&");
  return [
    `**${plain(kindText(event.kind))}** of ${plain(who)} on ${plain(node)}`,
    "",
    `- time: ${new Date(event.time_ms).toISOString()}`,
    ...facts(event).map(([key, value]) => `- ${plain(key)}: ${plain(value)}`),
    ...told.map(({ title, value }) => `- ${plain(title)} at that moment: ${plain(value)}`),
    `- [open in Fine-Grained Monitor](${link})`,
    "",
  ].join("\n");
}
