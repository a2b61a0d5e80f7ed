// Fetches what stands beside the panels: the strip on top, the heat map, the server's ranking, the
// range that is compared, notes and dashboards. Each asks when its question changed, a newer one
// cuts off the older, and a failure of one leaves the others alone.

import { effect } from "@preact/signals";
import type { Frame } from "../data/fgmf";
import { AwayError, type DataSource } from "../data/source";
import * as store from "./store";
import { span } from "./time";

const REST_MS = 120;
const RETRY_MS = 5_000;
/** How often what follows the time is asked for anew. */
const HEAT_EVERY_MS = 5_000;
const RANK_EVERY_MS = 10_000;
const OVERVIEW_EVERY_MS = 60_000;
const NOTES_EVERY_MS = 30_000;

const steps = (ms: number, every: number): number => Math.floor(ms / every) * every;

/** Runs `ask` whenever `question` gives another key, once it rests. */
function follow<T>(
  question: () => { readonly key: string; readonly ask: (signal: AbortSignal) => Promise<T> } | null,
  answer: (key: string, value: T | null, error: string | null) => void,
): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running: AbortController | null = null;
  let last: string | null = null;
  effect(() => {
    const asked = question();
    if (asked === null || asked.key === last) return;
    last = asked.key;
    clearTimeout(timer);
    const ask = (): void => {
      running?.abort();
      const mine = new AbortController();
      running = mine;
      asked
        .ask(mine.signal)
        .then((value) => {
          if (running === mine) answer(asked.key, value, null);
        })
        .catch((error: unknown) => {
          if (mine.signal.aborted || running !== mine) return;
          last = null; // Asked again at the next change, also when the server is back.
          answer(asked.key, null, error instanceof Error ? error.message : String(error));
          // Only busy: a range that stands still has no next change.
          if (error instanceof AwayError) {
            timer = setTimeout(() => {
              if (store.connection.peek().state === "up") ask();
            }, RETRY_MS);
          }
        });
    };
    timer = setTimeout(ask, REST_MS);
  });
}

const isUp = (): boolean => store.meta.value !== null && store.connection.value.state === "up";

/** The time up to which a question reaches, in steps while it follows the time. */
function untilStep(every: number): { readonly start: number; readonly end: number } {
  const range = store.range.value;
  if (!store.live.value) return range;
  const end = Math.max(steps(range.end, every), range.start + 1000);
  return { start: end - span(range), end };
}

export function followExtras(source: DataSource): void {
  follow(
    () => {
      const px = store.stripWidth.value;
      const first = store.panels.value[0]?.metric;
      if (!isUp() || px === 0) return null;
      const metric = first && store.metrics.value.some(({ id }) => id === first) ? first : "cpu_usage_millicores";
      const sel = store.view.value.filter;
      const key = `${metric} ${sel} ${px} ${steps(store.newest.value, OVERVIEW_EVERY_MS)}`;
      return { key, ask: async (signal) => ({ metric, frame: await source.overview({ metric, sel, px }, signal) }) };
    },
    (_key, value) => {
      if (value?.frame) store.overview.value = { metric: value.metric, frame: value.frame };
    },
  );
  follow(
    () => {
      const spec = store.heatSpec.value;
      const px = Math.floor(store.plotWidth.value / 2);
      if (!isUp() || !spec || px === 0) return null;
      const range = untilStep(HEAT_EVERY_MS);
      const sel = store.view.value.filter;
      const generation = store.meta.value?.generation ?? "";
      const key = `${spec.metric} ${spec.sort} ${sel} ${range.start} ${range.end} ${px}`;
      return { key, ask: (signal) => source.heatmap({ ...spec, ...range, px, sel, generation }, signal) };
    },
    (key, value, error) => {
      store.heat.value = { key, value: value ?? store.heat.peek()?.value ?? null, error };
    },
  );
  follow(
    () => {
      const metric = store.rankedPanel.value;
      if (!isUp() || metric === null || store.groupById.value.has(metric)) return null;
      if (!store.metricById.value.has(metric)) return null;
      const range = untilStep(RANK_EVERY_MS);
      const sel = store.view.value.filter;
      const { compare } = store.view.value;
      const base = compare === null || compare === "prev" ? "prev" : `${compare.start}..${compare.end}`;
      const key = `${metric} ${range.start} ${range.end} ${sel} ${base}`;
      return { key, ask: (signal) => source.rank({ metric, ...range, sel, by: "p99", base }, signal) };
    },
    (key, value, error) => {
      store.ranked.value = { key, value, error };
    },
  );
  follow(
    () => {
      // Every metric of every container: for those who ask.
      const query = store.diffQuery.value;
      if (!isUp() || query === null) return null;
      return { key: store.keyOfDiff(query), ask: (signal) => source.diff(query, signal) };
    },
    (key, value, error) => {
      store.differing.value = { key, value, error };
    },
  );
  followGhosts(source);
  follow(
    () => (isUp() ? { key: String(steps(store.newest.value, NOTES_EVERY_MS)), ask: (signal) => source.notes(signal) } : null),
    (_key, value) => {
      if (value) store.notes.value = value;
    },
  );
  follow(
    () => (isUp() && store.nodeAt.value !== null ? { key: "nodes", ask: (signal) => source.nodes(signal) } : null),
    (_key, value) => {
      if (value) store.nodes.value = value;
    },
  );
  follow(
    () => (isUp() ? { key: "dashboards", ask: (signal) => source.dashboards(signal) } : null),
    (_key, value) => {
      if (value) store.dashboards.value = value;
    },
  );
  follow(
    () => {
      const { start } = store.stored.value;
      const end = steps(store.newest.value, OVERVIEW_EVERY_MS) + OVERVIEW_EVERY_MS;
      if (!isUp() || store.newest.value === 0) return null;
      const sel = store.view.value.filter;
      return { key: `${start} ${end} ${sel}`, ask: (signal) => source.events(start, end, sel, signal) };
    },
    (_key, value) => {
      if (value) store.allEvents.value = value;
    },
  );
}

/** The compared range, on the same grid of slots as this one, moved onto it. */
function followGhosts(source: DataSource): void {
  follow(
    () => {
      const other = store.compared.value;
      const px = Math.ceil(store.plotWidth.value / 64) * 64;
      if (!isUp() || px === 0) return null;
      if (other === null) return { key: "", ask: async () => new Map<string, Frame>() };
      const metrics = store.panels.value
        .map(({ metric }) => metric)
        .filter((metric) => store.metrics.value.some(({ id }) => id === metric));
      if (metrics.length === 0) return null;
      const range = store.live.value
        ? { start: steps(other.start, HEAT_EVERY_MS), end: steps(other.end, HEAT_EVERY_MS) }
        : other;
      const moved = store.range.value.start - other.start;
      const sel = store.view.value.filter;
      const generation = store.meta.value?.generation ?? "";
      const key = `${metrics.join()} ${range.start} ${range.end} ${moved} ${sel} ${px}`;
      return {
        key,
        ask: async (signal) => {
          const frames = await source.series({ metrics, ...range, px, sel, agg: "minmax", generation }, signal);
          return new Map(frames.map((frame) => [frame.metric, { ...frame, t0: frame.t0 + moved }]));
        },
      };
    },
    (_key, value) => {
      if (value) store.ghosts.value = value;
    },
  );
}
