// Where data come from. One interface, so that a page which carries its data can answer it too.

import type { Frame } from "./fgmf";
import type { Catalogue, ContainerList, Dashboard, Differences, EventRow, Hit, Meta, Node, Note, Ranking } from "./types";

/** Series of several metrics over one range. */
export interface SeriesQuery {
  readonly metrics: readonly string[];
  readonly start: number;
  readonly end: number;
  /** Width of the picture, CSS pixels. */
  readonly px: number;
  /** The selection text. */
  readonly sel: string;
  /** Only these series. */
  readonly ids?: readonly string[];
  /** `minmax` keeps every spike, `raw` every sample. */
  readonly agg: "minmax" | "raw";
  /** The generation of the stored files, so that answers may be kept. */
  readonly generation: string;
}

/** One metric of all matching containers. */
export interface WholeQuery {
  readonly metric: string;
  readonly sel: string;
  readonly px: number;
}

export interface HeatQuery extends WholeQuery {
  readonly start: number;
  readonly end: number;
  readonly sort: string;
  readonly generation: string;
}

export interface RankQuery {
  readonly metric: string;
  readonly start: number;
  readonly end: number;
  readonly sel: string;
  readonly by: string;
  /** `prev`, or `start..end` in ms. */
  readonly base: string;
}

/** Two ranges `start..end` in ms. */
export interface DiffQuery {
  readonly a: string;
  readonly b: string;
  readonly sel: string;
}

export interface DataSource {
  meta(signal?: AbortSignal): Promise<Meta>;
  catalogue(signal?: AbortSignal): Promise<Catalogue>;
  /** One metric over everything stored: series `range` (the extremes) and `mean`. */
  overview(query: WholeQuery, signal?: AbortSignal): Promise<Frame | null>;
  heatmap(query: HeatQuery, signal?: AbortSignal): Promise<Frame>;
  rank(query: RankQuery, signal?: AbortSignal): Promise<Ranking>;
  diff(query: DiffQuery, signal?: AbortSignal): Promise<Differences>;
  /** Containers of this node, and below a gateway of all. */
  find(text: string, signal?: AbortSignal): Promise<readonly Hit[]>;
  /** The nodes of the gateway; none without one. */
  nodes(signal?: AbortSignal): Promise<readonly Node[]>;
  notes(signal?: AbortSignal): Promise<readonly Note[]>;
  /** Writes a note; `version` is that of the one it replaces. */
  putNote(note: Omit<Note, "version">, version: string | null): Promise<Note>;
  deleteNote(id: string, version: string): Promise<void>;
  dashboards(signal?: AbortSignal): Promise<readonly Dashboard[]>;
  /** Where the samples themselves can be downloaded. */
  exportAddress(format: "csv" | "parquet", query: Omit<SeriesQuery, "px" | "agg" | "generation">): string;
  containers(start: number, end: number, sel: string, signal?: AbortSignal): Promise<ContainerList>;
  series(query: SeriesQuery, signal?: AbortSignal): Promise<readonly Frame[]>;
  events(start: number, end: number, sel: string, signal?: AbortSignal): Promise<readonly EventRow[]>;
  /**
   * Calls `onTick` with the time of the newest sample whenever it moves, and before it `onEvent` if
   * something happened; returns the way to stop.
   */
  tail(onTick: (liveUntilMs: number) => void, onEvent: () => void): () => void;
}

/** The server answered, but not with data. */
export class AnswerError extends Error {
  override name = "AnswerError";
  constructor(
    readonly status: number,
    message: string,
    readonly url: string,
  ) {
    super(message);
  }
}

/** The server could not be reached. */
export class AwayError extends Error {
  override name = "AwayError";
}
