// Fetches what the state asks for: series of the panels, containers, events. A newer question cuts
// off the older one; a server that is away is asked again after 1, 2, 4 … 30 s.

import { batch, effect } from "@preact/signals";
import { append } from "../data/append";
import type { Frame } from "../data/fgmf";
import { rank, summarise } from "../data/stats";
import { AnswerError, type DataSource } from "../data/source";
import { followExtras } from "./extras";
import { amend } from "./history";
import { limitInputs } from "./limits";
import * as store from "./store";
import type { Loaded } from "./store";
import { ladderStep, PRESETS, type Range, span } from "./time";
import { DEFAULT_VIEW } from "./url";

/** A gesture sends many ranges; the question waits until it rests this long. */
const REST_MS = 70;
const LISTS_EVERY_MS = 5_000;
const MAX_RETRY_MS = 30_000;

interface Question {
  readonly metrics: readonly string[];
  readonly range: Range;
  readonly sel: string;
  readonly px: number;
}

export class Loader {
  private running: AbortController | null = null;
  private runningKey = "";
  private newestIsGuess = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private failures = 0;
  private listsFor = "";
  private listsAt = 0;
  private listsRunning: AbortController | null = null;
  private listsRetry: ReturnType<typeof setTimeout> | undefined;
  private stopTail: (() => void) | null = null;

  constructor(private readonly source: DataSource) {}

  /** Loads the catalogue, then follows the state. */
  async start(): Promise<void> {
    try {
      const [meta, catalogue] = await Promise.all([this.source.meta(), this.source.catalogue()]);
      batch(() => {
        store.meta.value = meta;
        store.metrics.value = catalogue.metrics;
        store.groups.value = catalogue.groups;
        const known = meta.live_until_ms ?? meta.last_ms;
        this.newestIsGuess = known === null;
        store.newest.value = known ?? Date.now();
        store.connection.value = { state: "up" };
      });
    } catch (error) {
      this.away(error, () => void this.start());
      return;
    }
    this.failures = 0;
    this.fitYouth();
    this.stopTail ??= this.source.tail(
      (liveUntil) => {
        // The clock of this browser may run ahead of the node's.
        store.newest.value = this.newestIsGuess ? liveUntil : Math.max(store.newest.peek(), liveUntil);
        this.newestIsGuess = false;
      },
      // The tick that follows asks for the lists again; what is on its way comes first.
      () => {
        this.listsAt = 0;
      },
    );
    effect(() => this.onChange());
    followExtras(this.source);
  }

  /** A recording younger than the shortest preset fills little of the default window. */
  private fitYouth(): void {
    const { seconds } = PRESETS[0];
    const first = store.meta.peek()?.first_ms ?? store.newest.peek();
    const isDefault = store.view.peek().time === DEFAULT_VIEW.time;
    if (isDefault && store.newest.peek() - first < seconds * 1000) amend({ time: { live: seconds } });
  }

  /** Asks again at once, whatever the back-off says. */
  again(): void {
    clearTimeout(this.retry);
    this.listsFor = "";
    const failed = new Map(store.loaded.peek());
    for (const [metric, one] of failed) if (one.error) failed.set(metric, { ...one, error: null, key: null });
    store.loaded.value = failed;
    if (store.meta.peek()) void this.load(question());
    else void this.start();
  }

  private onChange(): void {
    const next = question();
    if (next.px === 0 || store.connection.peek().state === "away") return;
    clearTimeout(this.timer);
    // A tick goes out at once; a moving range when it rests.
    this.timer = setTimeout(() => void this.load(next), store.live.peek() ? 0 : REST_MS);
  }

  private async load(asked: Question): Promise<void> {
    const plan = makePlan(asked);
    void this.lists(asked);
    if (plan.whole.length + plan.more.length === 0) return;
    // Ticks must not cut off an answer to the same question, or a slow server would never finish one.
    const key = `${keyOf(asked)} ${asked.metrics.join()}`;
    if (this.running && key === this.runningKey) return;
    this.running?.abort();
    const running = new AbortController();
    this.running = running;
    this.runningKey = key;
    const { signal } = running;
    store.busy.value = plan.whole.length > 0;
    try {
      const [whole, more] = await Promise.all([
        this.fetch(plan.whole, asked.range, asked, "minmax", signal),
        this.fetch(plan.more, plan.moreRange, asked, "raw", signal),
      ]);
      if (running !== this.running) return;
      apply(asked, whole, more);
      this.recovered();
    } catch (error) {
      if (signal.aborted) return;
      this.away(error, () => void this.load(question()));
    } finally {
      if (running === this.running) {
        this.running = null;
        store.busy.value = false;
      }
    }
  }

  /** One request for all; if the server refuses it, one for each, to see which is refused. */
  private async fetch(
    metrics: readonly string[],
    range: Range,
    { sel, px }: Question,
    agg: "minmax" | "raw",
    signal: AbortSignal,
  ): Promise<Map<string, Frame | AnswerError>> {
    const answers = new Map<string, Frame | AnswerError>();
    if (metrics.length === 0) return answers;
    const generation = store.meta.peek()?.generation ?? "";
    const ask = (some: readonly string[]): Promise<readonly Frame[]> =>
      this.source.series({ metrics: some, ...range, px, sel, agg, generation }, signal);
    try {
      for (const frame of await ask(metrics)) answers.set(frame.metric, frame);
    } catch (error) {
      if (!(error instanceof AnswerError)) throw error;
      if (metrics.length === 1) return answers.set(metrics[0], error);
      await Promise.all(
        metrics.map(async (metric) => {
          for (const [id, one] of await this.fetch([metric], range, { metrics, range, sel, px }, agg, signal)) {
            answers.set(id, one);
          }
        }),
      );
    }
    return answers;
  }

  /** Containers, events and the state of the store: when the question changed, else now and then. */
  private async lists({ range, sel }: Question): Promise<void> {
    const live = store.live.peek();
    const key = `${live ? span(range) : `${range.start}..${range.end}`} ${sel}`;
    const now = Date.now();
    if (key === this.listsFor && (this.listsRunning || now - this.listsAt < LISTS_EVERY_MS)) return;
    this.listsFor = key;
    this.listsAt = now;
    clearTimeout(this.listsRetry);
    this.listsRunning?.abort();
    const running = new AbortController();
    this.listsRunning = running;
    const { signal } = running;
    const { start, end } = range;
    try {
      const [every, some, events, meta] = await Promise.all([
        this.source.containers(start, end, "", signal),
        sel === "" ? null : this.source.containers(start, end, sel, signal),
        this.source.events(start, end, sel, signal),
        this.source.meta(signal),
      ]);
      batch(() => {
        store.everyone.value = every.containers;
        store.containers.value = (some ?? every).containers;
        store.events.value = [...events].sort((a, b) => a.time_ms - b.time_ms);
        store.meta.value = meta;
        store.listed.value = true;
      });
    } catch {
      if (signal.aborted) return;
      // The series tell of a server that is away, and ask again when it is back. One that was only
      // busy is asked here: a range that stands still has no next tick.
      this.listsAt = 0;
      this.listsRetry = setTimeout(() => {
        if (store.connection.peek().state === "up") void this.lists(question());
      }, LISTS_EVERY_MS);
    } finally {
      if (running === this.listsRunning) this.listsRunning = null;
    }
  }

  private recovered(): void {
    this.failures = 0;
    if (store.connection.peek().state === "away") store.connection.value = { state: "up" };
  }

  private away(error: unknown, again: () => void): void {
    const message = error instanceof Error ? error.message : String(error);
    const wait = Math.min(MAX_RETRY_MS, 1000 * 2 ** this.failures);
    this.failures += 1;
    store.connection.value = {
      state: "away",
      message: message.charAt(0).toUpperCase() + message.slice(1),
      retryAt: Date.now() + wait,
    };
    clearTimeout(this.retry);
    this.retry = setTimeout(again, wait);
  }
}

/** What the state asks for now. Reads the signals, so that an effect follows them. */
function question(): Question {
  const wanted = new Set<string>();
  const byId = store.metricById.value;
  for (const { metric } of store.panels.value) {
    const known = byId.get(metric);
    if (!known) continue;
    const group = store.groupById.value.get(metric);
    for (const part of group?.parts ?? [metric]) wanted.add(part);
    for (const limit of limitInputs(known)) wanted.add(limit);
  }
  return {
    metrics: [...wanted],
    range: store.range.value,
    sel: store.view.value.filter,
    px: Math.ceil(store.plotWidth.value / 64) * 64,
  };
}

interface Plan {
  /** Metrics to fetch over the whole range. */
  readonly whole: readonly string[];
  /** Metrics of which only the newest samples are missing. */
  readonly more: readonly string[];
  readonly moreRange: Range;
}

const keyOf = ({ range, sel, px }: Question): string =>
  `${store.live.peek() ? "live" : range.start} ${span(range)} ${px} ${sel}`;

function makePlan(asked: Question): Plan {
  const { range } = asked;
  const interval = store.meta.peek()?.interval_ms ?? 1000;
  const step = ladderStep(span(range), asked.px, interval);
  const live = store.live.peek();
  const key = keyOf(asked);
  const whole: string[] = [];
  const more: string[] = [];
  let moreStart = range.end;
  for (const metric of asked.metrics) {
    const have = store.loaded.peek().get(metric);
    if (have?.error && have.key === key) continue; // It waits for "retry".
    if (!have?.range || have.key !== key) {
      whole.push(metric);
    } else if (live && range.end > have.range.end) {
      const { frame } = have;
      if (frame && !frame.reduced && frame.step === interval && frame.n > 0) {
        more.push(metric);
        // The last slot again: it may have been asked for while it was being written.
        moreStart = Math.min(moreStart, frame.t0 + (frame.n - 1) * frame.step);
      } else if (range.end - have.range.end >= Math.min(step, 30_000)) {
        whole.push(metric);
      }
    }
  }
  return { whole, more, moreRange: { start: moreStart, end: range.end } };
}

function apply(
  asked: Question,
  whole: ReadonlyMap<string, Frame | AnswerError>,
  more: ReadonlyMap<string, Frame | AnswerError>,
): void {
  const key = keyOf(asked);
  const next = new Map<string, Loaded>();
  for (const [metric, one] of store.loaded.peek()) if (asked.metrics.includes(metric)) next.set(metric, one);
  for (const [metric, answer] of whole) {
    const old = next.get(metric);
    if (answer instanceof AnswerError) {
      const error = { message: answer.message, url: answer.url };
      next.set(metric, { frame: old?.frame ?? null, range: null, key, error });
    } else {
      next.set(metric, { frame: answer, range: asked.range, key, error: null });
    }
  }
  for (const [metric, answer] of more) {
    const old = next.get(metric)?.frame;
    if (!old || answer instanceof AnswerError) continue;
    const frame = append(old, answer, asked.range);
    // Frames that do not fit together are asked for anew at the next tick.
    next.set(metric, { frame: frame ?? old, range: asked.range, key: frame ? key : null, error: null });
  }
  const first = store.panels.peek()[0];
  const frame = first ? next.get(first.metric)?.frame : null;
  if (frame) store.colours.assign(rank(summarise(frame, asked.range), "p99").map(({ id }) => id));
  store.loaded.value = next;
}
