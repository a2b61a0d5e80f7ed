// The server as a source. Every address is relative: the page works below any path.

import { decodeFrames, type Frame } from "./fgmf";
import {
  AnswerError,
  AwayError,
  type DataSource,
  type DiffQuery,
  type HeatQuery,
  type RankQuery,
  type SeriesQuery,
  type WholeQuery,
} from "./source";
import type { Catalogue, ContainerList, Dashboard, Differences, EventRow, Hit, Meta, Metric, Node, Note, Ranking } from "./types";

const API = "api/v1/";

type Query = Readonly<Record<string, string | number | undefined>>;

function address(endpoint: string, query: Query = {}): string {
  const pairs = Object.entries(query)
    .filter(([, value]) => value !== undefined && value !== "")
    .map(([key, value]) => `${key}=${encodeURIComponent(String(value))}`);
  return API + endpoint + (pairs.length > 0 ? `?${pairs.join("&")}` : "");
}

/** The sentence of a problem document (RFC 9457), else the status. */
async function complaint(response: Response): Promise<string> {
  try {
    const problem: unknown = await response.json();
    if (typeof problem === "object" && problem !== null) {
      const { detail, title, advice } = problem as Readonly<Record<string, unknown>>;
      const said = [detail ?? title, advice].filter((part) => typeof part === "string");
      if (said.length > 0) return said.join(": ");
    }
  } catch {
    // Not JSON: a proxy's own page, say.
  }
  return `the server answered ${response.status} ${response.statusText}`.trim();
}

/** Answers that are likely to be others in a moment: too busy, or a proxy before a server that is gone. */
const PASSING = new Set([429, 502, 503, 504]);

async function get(url: string, signal?: AbortSignal, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, signal ? { ...init, signal } : init);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new AwayError("the server cannot be reached");
  }
  if (response.ok) return response;
  if (PASSING.has(response.status)) throw new AwayError(await complaint(response));
  throw new AnswerError(response.status, await complaint(response), url);
}

async function json<T>(url: string, signal?: AbortSignal): Promise<T> {
  const response = await get(url, signal);
  return (await response.json()) as T;
}

/** Some answers are a list, some an object that holds it. */
const list = <T>(answer: readonly T[] | Readonly<Record<string, readonly T[]>>, key: string): readonly T[] =>
  Array.isArray(answer) ? (answer as readonly T[]) : ((answer as Record<string, readonly T[]>)[key] ?? []);

/** A write is marked, so that no other site can have made the browser send it. */
const WRITE = { "x-fgm-write": "1" };

/** Widths in steps of 64 hit the cache while a window is being resized. */
const width = (px: number): number => Math.min(4096, Math.max(64, Math.ceil(px / 64) * 64));

const POLL_MS = 2_000;
const REOPEN_MS = 15_000;

export class HttpSource implements DataSource {
  /** What answers for all nodes: this page lies two folders below it. */
  private gateway = "";

  async meta(signal?: AbortSignal): Promise<Meta> {
    const meta = await json<Meta>(address("meta"), signal);
    this.gateway = meta.base ? "../../" : "";
    return meta;
  }

  async nodes(signal?: AbortSignal): Promise<readonly Node[]> {
    if (this.gateway === "") return [];
    return list<Node>(await json(this.gateway + address("nodes"), signal), "nodes");
  }

  async catalogue(signal?: AbortSignal): Promise<Catalogue> {
    const answer = await json<readonly Metric[] | Catalogue>(address("metrics"), signal);
    return "metrics" in answer ? answer : { metrics: answer, groups: [] };
  }

  async overview(query: WholeQuery, signal?: AbortSignal): Promise<Frame | null> {
    const { metric, sel, px } = query;
    const response = await get(address("overview", { metric, sel, px: width(px) }), signal);
    const [frame] = decodeFrames(await response.arrayBuffer());
    return frame && frame.series.length > 0 ? frame : null;
  }

  async heatmap(query: HeatQuery, signal?: AbortSignal): Promise<Frame> {
    const { metric, start, end, px, sel, sort, generation: g } = query;
    const response = await get(address("heatmap", { metric, start, end, px: width(px), sel, sort, g }), signal);
    return decodeFrames(await response.arrayBuffer())[0];
  }

  rank(query: RankQuery, signal?: AbortSignal): Promise<Ranking> {
    return json(address("rank", { ...query, n: 200 }), signal);
  }

  diff(query: DiffQuery, signal?: AbortSignal): Promise<Differences> {
    return json(address("diff", { ...query }), signal);
  }

  async find(text: string, signal?: AbortSignal): Promise<readonly Hit[]> {
    return list<Hit>(await json(this.gateway + address("find", { q: text }), signal), "containers");
  }

  async notes(signal?: AbortSignal): Promise<readonly Note[]> {
    return list<Note>(await json(address("notes"), signal), "notes");
  }

  async putNote(note: Omit<Note, "version">, version: string | null): Promise<Note> {
    const { id, time_ms, end_ms, series, text } = note;
    const headers: Record<string, string> = { ...WRITE, "content-type": "application/json" };
    headers[version === null ? "if-none-match" : "if-match"] = version === null ? "*" : `"${version}"`;
    const body = JSON.stringify({ time_ms, end_ms, series, text });
    const response = await get(address(`notes/${id}`), undefined, { method: "PUT", headers, body });
    return (await response.json()) as Note;
  }

  async deleteNote(id: string, version: string): Promise<void> {
    const headers = { ...WRITE, "if-match": `"${version}"` };
    await get(address(`notes/${id}`), undefined, { method: "DELETE", headers });
  }

  async dashboards(signal?: AbortSignal): Promise<readonly Dashboard[]> {
    return list<Dashboard>(await json(address("dashboards"), signal), "dashboards");
  }

  exportAddress(format: "csv" | "parquet", { metrics, start, end, sel, ids }: Omit<SeriesQuery, "px" | "agg" | "generation">): string {
    const query = { metric: metrics.join(","), start, end, sel: ids ? undefined : sel, ids: ids?.join(",") };
    return address(`export.${format}`, query).replaceAll("%2C", ",");
  }

  containers(start: number, end: number, sel: string, signal?: AbortSignal): Promise<ContainerList> {
    return json(address("containers", { start, end, sel }), signal);
  }

  async events(start: number, end: number, sel: string, signal?: AbortSignal): Promise<readonly EventRow[]> {
    return list<EventRow>(await json(address("events", { start, end, sel }), signal), "events");
  }

  async series(query: SeriesQuery, signal?: AbortSignal): Promise<readonly Frame[]> {
    const { metrics, start, end, px, sel, ids, agg, generation } = query;
    const url = address("series", {
      metric: metrics.join(","),
      start,
      end,
      px: width(px),
      sel: ids ? undefined : sel,
      ids: ids?.join(","),
      agg,
      g: generation,
    }).replaceAll("%2C", ",");
    const response = await get(url, signal);
    return decodeFrames(await response.arrayBuffer());
  }

  tail(onTick: (liveUntilMs: number) => void, onEvent: () => void): () => void {
    let stream: EventSource | null = null;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let stopped = false;
    let newest = -Infinity;
    const tell = (liveUntilMs: unknown): void => {
      if (typeof liveUntilMs !== "number" || liveUntilMs === newest || stopped) return;
      newest = liveUntilMs;
      onTick(liveUntilMs);
    };
    const close = (): void => {
      stream?.close();
      stream = null;
      clearTimeout(timer);
    };
    // A proxy that buffers or cuts streams: ask instead, and try the stream again now and then.
    const poll = (until: number): void => {
      timer = setTimeout(() => {
        this.meta()
          .then((meta) => tell(meta.live_until_ms))
          .catch(() => undefined) // The requests for data say that the server is away.
          .finally(() => {
            if (stopped || document.hidden) return;
            if (Date.now() < until) poll(until);
            else open();
          });
      }, POLL_MS);
    };
    const open = (): void => {
      close();
      stream = new EventSource(address("tail"));
      stream.addEventListener("tick", (event: MessageEvent<string>) => {
        tell((JSON.parse(event.data) as { live_until_ms?: unknown }).live_until_ms);
      });
      stream.addEventListener("event", onEvent);
      stream.addEventListener("error", () => {
        close();
        if (!stopped && !document.hidden) poll(Date.now() + REOPEN_MS);
      });
    };
    // A browser gives six connections to a host over HTTP/1.1: hidden tabs give theirs back.
    const onVisibility = (): void => {
      if (document.hidden) close();
      else open();
    };
    document.addEventListener("visibilitychange", onVisibility);
    if (!document.hidden) open();
    return () => {
      stopped = true;
      document.removeEventListener("visibilitychange", onVisibility);
      close();
    };
  }
}

