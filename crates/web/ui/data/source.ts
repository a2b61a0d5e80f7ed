// Where data come from. One interface, so that a page which carries its data can answer it too.

import type { Frame } from "./fgmf";
import type { ContainerList, EventRow, Meta, Metric } from "./types";

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

export interface DataSource {
  meta(signal?: AbortSignal): Promise<Meta>;
  metrics(signal?: AbortSignal): Promise<readonly Metric[]>;
  containers(start: number, end: number, sel: string, signal?: AbortSignal): Promise<ContainerList>;
  series(query: SeriesQuery, signal?: AbortSignal): Promise<readonly Frame[]>;
  events(start: number, end: number, sel: string, signal?: AbortSignal): Promise<readonly EventRow[]>;
  /** Calls `onTick` with the time of the newest sample whenever it moves; returns the way to stop. */
  tail(onTick: (liveUntilMs: number) => void): () => void;
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
