// What the API answers in JSON (`/api/v1`), as far as this page uses it.

/** The node, what is stored of it, and the limits of requests. */
export interface Meta {
  readonly node: string;
  readonly recorder: string | null;
  readonly version: string;
  /** The stored range, ms; null while nothing is stored. */
  readonly first_ms: number | null;
  readonly last_ms: number | null;
  readonly interval_ms: number;
  readonly sealed_until_ms: number | null;
  readonly live_until_ms: number | null;
  readonly generation: string;
  /** Below which path of a gateway this page is; null where there is none. */
  readonly base?: string | null;
  /** Why there is little to see on this machine, in a sentence. */
  readonly notice: string | null;
  readonly bytes: number;
}

/** One metric of the catalogue. */
export interface Metric {
  readonly id: string;
  readonly title: string;
  readonly category: string;
  readonly kind: string;
  readonly unit: string;
  readonly help: string;
  /** The metric of the limit it is judged against. */
  readonly limit: string | null;
  readonly derived: boolean;
}

/** Metrics that add up to a whole, stacked in a panel of one container. */
export interface Group {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly help: string;
  readonly parts: readonly string[];
  readonly limit: string | null;
}

/** What there is to ask for. */
export interface Catalogue {
  readonly metrics: readonly Metric[];
  readonly groups: readonly Group[];
}

/** What a person wrote down. */
export interface Note {
  readonly id: string;
  readonly version: string;
  readonly time_ms: number;
  readonly end_ms: number | null;
  readonly series: string | null;
  readonly text: string;
}

/** The numbers of a container over a range. */
export interface Numbers {
  readonly last: number | null;
  readonly min: number | null;
  readonly avg: number | null;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
  readonly max: number | null;
}

export interface RankRow extends Numbers {
  readonly id: string;
  readonly before: Numbers | null;
  readonly change_percent: number | null;
}

/** Containers by one metric, beside what they were before. */
export interface Ranking {
  readonly metric: string;
  readonly by: string;
  readonly start_ms: number;
  readonly end_ms: number;
  readonly base: { readonly start_ms: number; readonly end_ms: number } | null;
  readonly matched: number;
  readonly rows: readonly RankRow[];
}

/** A container that was in one of two ranges. */
export interface Named {
  readonly id: string;
  readonly namespace: string | null;
  readonly pod: string | null;
  readonly name: string;
}

/** A metric of a container that differs; `before` and `after` are medians, `delta` is Cliff's. */
export interface Difference extends Named {
  readonly metric: string;
  readonly unit: string;
  readonly before: number;
  readonly after: number;
  readonly change_percent: number | null;
  readonly delta: number;
}

/** In what the containers differ from range `a` to range `b`, the most telling first. */
export interface Differences {
  readonly a: { readonly start_ms: number; readonly end_ms: number };
  readonly b: { readonly start_ms: number; readonly end_ms: number };
  readonly matched: number;
  readonly appeared: readonly Named[];
  readonly vanished: readonly Named[];
  readonly rows: readonly Difference[];
}

/** A container found over everything stored. */
export interface Hit {
  readonly id: string;
  /** The node that has it, by its name at the gateway. */
  readonly at?: string;
  readonly node: string;
  readonly namespace: string | null;
  readonly pod: string | null;
  readonly name: string;
  readonly first_ms: number;
  readonly last_ms: number;
}

/** A view that has a name: keys as in the page's address. */
export interface Dashboard {
  readonly name: string;
  readonly title: string;
  readonly help: string;
  readonly m: readonly string[];
  readonly f: string;
  readonly hm: string | null;
  readonly t: string | null;
}

/** One life of a container. */
export interface Instance {
  readonly container_id: string;
  readonly life: string;
  readonly first_ms: number;
  readonly last_ms: number;
}

/** What a person calls a container; `id` outlives its restarts. */
export interface Container {
  readonly id: string;
  readonly namespace: string | null;
  readonly pod: string | null;
  readonly container: string | null;
  readonly name: string;
  readonly qos: string | null;
  readonly image: string | null;
  readonly cgroup_path: string | null;
  readonly first_ms: number;
  readonly last_ms: number;
  readonly restarts?: number;
  readonly oom_kills?: number;
  readonly instances: readonly Instance[];
}

/** The containers of a range; `total` counts those that the selection left out as well. */
export interface ContainerList {
  readonly containers: readonly Container[];
  readonly matched: number;
  readonly total: number;
}

/** Something that happened. */
export interface EventRow {
  readonly event_id: string;
  readonly kind: string;
  readonly time_ms: number;
  /** The series it is about; null for the node's own. */
  readonly id: string | null;
  readonly name: string | null;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** A node of the gateway. */
export interface Node {
  readonly name: string;
  readonly up: boolean;
}
