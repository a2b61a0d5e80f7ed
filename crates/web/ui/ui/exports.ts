// Files that a person takes along: the picture of a panel, its numbers, an incident as text.

import type { Column, Frame } from "../data/fgmf";
import type { EventRow, Metric } from "../data/types";
import { formatSpan } from "../data/units";
import { type Reading, reading } from "../plot/hit";
import { frameOf } from "../state/groups";
import { markdown } from "../state/incident";
import * as store from "../state/store";
import { clock, day, zone } from "../state/time";
import { format } from "../state/url";
import { pictures, source } from "./context";
import { copyText, download, save } from "./copy";

const HEAD_PX = 30;

/** The panel as a picture, with its title and range. */
export function png(metric: Metric): void {
  const view = pictures.get(metric.id);
  if (!view) return;
  const picture = view.picture();
  const style = getComputedStyle(document.documentElement);
  const ratio = window.devicePixelRatio || 1;
  const sheet = document.createElement("canvas");
  sheet.width = picture.width;
  sheet.height = picture.height + HEAD_PX * ratio;
  const pen = sheet.getContext("2d");
  if (!pen) return;
  pen.fillStyle = style.getPropertyValue("--s1");
  pen.fillRect(0, 0, sheet.width, sheet.height);
  pen.drawImage(picture, 0, HEAD_PX * ratio);
  pen.fillStyle = style.getPropertyValue("--tx");
  pen.font = `600 ${13 * ratio}px ${style.getPropertyValue("--f")}`;
  pen.textBaseline = "middle";
  const { start, end } = store.range.peek();
  const when = `${day(start)} ${clock(start)} to ${day(end)} ${clock(end)} ${zone(end)}`;
  pen.fillText(`${metric.title} · ${store.meta.peek()?.node ?? ""} · ${when}`, 12 * ratio, (HEAD_PX / 2) * ratio);
  sheet.toBlob((blob) => {
    if (blob) save(`fgm-${metric.id}-${Math.round(start / 1000)}.png`, blob);
  });
}

/** The samples of the panels as a file, from the server; times in it are UTC. */
export function samples(format: "csv" | "parquet", metrics: readonly string[]): void {
  const groups = store.groupById.peek();
  const plain = metrics.flatMap((metric) => groups.get(metric)?.parts ?? [metric]);
  const { start, end } = store.range.peek();
  const { filter, focus } = store.view.peek();
  const query = { metrics: [...new Set(plain)], start: Math.round(start), end: Math.round(end), sel: filter };
  download(source().exportAddress(format, focus.length > 0 ? { ...query, ids: focus } : query));
}

const AROUND_MS = 60_000;

/** A link to a minute around an event, with its container in focus. */
export function linkTo(event: EventRow): string {
  const view = store.view.peek();
  const range = { start: event.time_ms - AROUND_MS, end: event.time_ms + AROUND_MS };
  const focus = event.id === null ? view.focus : [event.id];
  return location.href.replace(/#.*$/, "") + format({ ...view, time: { range }, focus, cursor: event.time_ms });
}

/** Who is killed has no sample in that second: how long before it one is looked for. */
const BEFORE_SLOTS = 5;

function lastBefore(column: Column, frame: Frame, time: number): Reading | null {
  for (let back = 0; back <= BEFORE_SLOTS; back++) {
    const found = reading(column, frame, time - back * frame.step);
    if (found) return found;
  }
  return null;
}

/** The incident with what the panels show at that moment. */
export function copyIncident(event: EventRow): void {
  const told = store.panels.peek().flatMap(({ metric }) => {
    const known = store.metricById.peek().get(metric);
    const frame = frameOf(metric);
    const column = frame?.series.find(({ id }) => id === event.id);
    const value = frame && column ? lastBefore(column, frame, event.time_ms) : null;
    return known && value ? [{ title: known.title, value: formatSpan(value.low, value.high, known.unit) }] : [];
  });
  const { name, place } = event.id ? store.nameOf(event.id) : { name: event.name ?? "the node", place: "" };
  const who = place ? `${place}/${name}` : name;
  void copyText(markdown(event, who, store.meta.peek()?.node ?? "", told, linkTo(event)), "Incident");
}
