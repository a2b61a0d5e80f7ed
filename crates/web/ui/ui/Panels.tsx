// The stacked panels: one picture each, one crosshair for all.

import { effect, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Metric } from "../data/types";
import { formatValue } from "../data/units";
import { PanelView } from "../plot/panel";
import { readTheme } from "../plot/theme";
import * as actions from "../state/actions";
import { frameOf } from "../state/groups";
import { panelModel, ranking } from "../state/look";
import * as store from "../state/store";
import { again, pictures } from "./context";
import { HeatMap } from "./HeatMap";
import { PanelHead } from "./PanelHead";
import { Table } from "./Table";
import { Tooltip } from "./Tooltip";

export function Panels() {
  const list = store.panels.value;
  const known = store.metricById.value;
  const { value: maximised } = store.maximised;
  if (known.size === 0) return <main class="panels" aria-label="Panels" aria-busy="true" />;
  return (
    <main class="panels" aria-label="Panels">
      {list.length === 0 && (
        <div class="hint">
          <p>No metric is shown.</p>
          <button type="button" class="btn" onClick={() => document.getElementById("metric-search")?.focus()}>
            Choose metrics
          </button>
        </div>
      )}
      {list.map(({ metric, flags }, i) => {
        const found = known.get(metric);
        if (maximised !== null && maximised !== metric) return null;
        return found ? (
          <Panel
            key={metric}
            metric={found}
            flags={flags}
            isFirst={i === 0 || maximised !== null}
            isLast={i === list.length - 1}
          />
        ) : (
          <section class="p" key={metric} aria-label={metric}>
            <Problem text={`This server does not know the metric ${metric}.`} metric={metric} />
          </section>
        );
      })}
      {store.heatSpec.value !== null && (maximised === null || maximised === "heat") && <HeatMap />}
    </main>
  );
}

function Problem({ text, url, metric }: { text: string; url?: string; metric: string }) {
  return (
    <div class="over" role="alert">
      <p>{text}</p>
      {url && <code>{url}</code>}
      <p>
        {url && (
          <button type="button" class="btn" onClick={again}>
            Try again
          </button>
        )}{" "}
        <button type="button" class="btn" onClick={() => actions.togglePanel(metric)}>
          Take off
        </button>
      </p>
    </div>
  );
}

/** Why a panel is empty, or null if it is not. */
function emptiness(metric: Metric): string | null {
  const one = store.loaded.value.get(store.groupById.value.get(metric.id)?.parts[0] ?? metric.id);
  if (!one || one.error || !one.frame) return null;
  if (ranking(metric.id).length > 0) return null;
  const meta = store.meta.value;
  // The notice, if there is one, stands above the panels.
  if (meta && meta.first_ms === null) return "Nothing is recorded yet.";
  if (!store.listed.value) return null;
  if (one.range && one.range.end !== store.range.value.end && !store.live.value) return null;
  if (store.containers.value.length === 0 && store.view.value.filter !== "") {
    return `No container matches ${store.view.value.filter}.`;
  }
  if (store.containers.value.length === 0) return "No container was recorded in this range.";
  return `No container has ${metric.title.toLowerCase().replace(/\bcpu\b/, "CPU").replace("i/o", "I/O")} in this range: ${WHY[metric.id] ?? "the kernel did not report it"}.`;
}

/** What usually lies behind the absence of a metric. */
const WHY: Readonly<Record<string, string>> = {
  cpu_throttled_percent: "none runs under a CPU quota",
  cpu_throttled_ms_per_s: "none runs under a CPU quota",
  cpu_percent_of_limit: "none has a CPU quota",
  memory_percent_of_limit: "none has a memory limit",
  memory_max: "none has a memory limit",
  cpu_quota_usec: "none has a CPU quota",
};

/** The panel in one sentence, for those who do not see it. */
function summary(metric: Metric): string {
  const rows = ranking(metric.id);
  if (rows.length === 0) return `${metric.title}: no data`;
  const top = rows.reduce((most, row) => ((row.max ?? 0) > (most.max ?? 0) ? row : most), rows[0]);
  return `${metric.title}, ${rows.length} containers, highest ${formatValue(top.max, metric.unit)} by ${store.nameOf(top.id).name}`;
}

interface PanelProps {
  readonly metric: Metric;
  readonly flags: string;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

function Panel({ metric, flags, isFirst, isLast }: PanelProps) {
  const host = useRef<HTMLDivElement>(null);
  const panel = useRef<PanelView | null>(null);
  const first = useSignal(isFirst);
  first.value = isFirst;
  const letters = useSignal(flags);
  letters.value = flags;
  useEffect(() => {
    if (!host.current) return undefined;
    const view = mount(host.current, metric);
    panel.current = view;
    pictures.set(metric.id, view);
    const stop = [
      effect(() => {
        const model = panelModel(metric, letters.value, first.value);
        // Reading what the pointer is on changes what is emphasised, hence the next picture: only
        // a picture of another time or data asks again.
        view.update(model);
      }),
      effect(() => {
        store.range.value;
        store.loaded.value;
        view.refreshPointer();
      }),
      effect(() => {
        store.themeName.value;
        view.setTheme(readTheme());
      }),
    ];
    const observer = new ResizeObserver(() => {
      view.resize();
      // A panel on its way out measures nothing.
      if (host.current && host.current.clientWidth > 0) store.plotWidth.value = view.width;
    });
    observer.observe(host.current);
    return () => {
      observer.disconnect();
      for (const end of stop) end();
      view.destroy();
      panel.current = null;
      pictures.delete(metric.id);
    };
  }, [metric.id]);
  useSignalEffect(() => {
    store.range.value;
    panel.current?.setCursor(store.cursor.value?.time ?? null, store.emphasised.value);
  });
  const parts = store.groupById.value.get(metric.id)?.parts ?? [metric.id];
  const answers = parts.map((part) => store.loaded.value.get(part));
  const error = answers.find((one) => one?.error)?.error ?? null;
  const waiting = answers.some((one) => !one) && store.connection.value.state === "up";
  const nothing = emptiness(metric);
  return (
    <section
      class={`p ${store.rankedPanel.value === metric.id ? "active" : ""}`}
      aria-label={metric.title}
      onPointerEnter={() => (store.activePanel.value = metric.id)}
    >
      <PanelHead metric={metric} flags={flags} isFirst={isFirst} isLast={isLast} />
      <div
        class="c"
        role="application"
        aria-label={summary(metric)}
        aria-roledescription="chart"
        tabIndex={0}
        data-metric={metric.id}
        onFocus={() => (store.activePanel.value = metric.id)}
        onKeyDown={(event) => {
          const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
          const row = { ArrowUp: -1, ArrowDown: 1 }[event.key];
          if (by === undefined && row === undefined) return;
          event.preventDefault();
          if (by !== undefined) actions.stepCursor(event.shiftKey ? by * 10 : by);
          else if (row !== undefined) stepSeries(metric.id, row);
        }}
      >
        <div class="plot" ref={host} />
        <Tooltip metric={metric} area={() => panel.current?.area ?? null} />
        {waiting && <div class="over skeleton" aria-hidden="true" />}
        {nothing && !error && (
          <div class="over">
            <p>{nothing}</p>
          </div>
        )}
        {store.tableOf.value === metric.id && frameOf(metric.id) && <Table metric={metric} />}
        {error && <Problem text={`${metric.title}: ${error.message}`} url={error.url} metric={metric.id} />}
      </div>
    </section>
  );
}

/** The series above or below in the ranking becomes the focused one. */
function stepSeries(metric: string, by: number): void {
  const rows = ranking(metric);
  const at = rows.findIndex(({ id }) => id === store.view.peek().focus[0]);
  const next = rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + by))];
  if (next && next.id !== store.view.peek().focus[0]) actions.focus(next.id);
}

/** A click this close to a line means the line. */
const ON_LINE_PX = 6;

function mount(host: HTMLDivElement, metric: Metric): PanelView {
  return new PanelView(
    host,
    {
      hover: (pointer) => {
        store.hover.value = pointer ? { time: pointer.time, panel: metric.id, pointer } : null;
      },
      show: (range) => actions.show(range),
      zoom: actions.zoom,
      pan: actions.move,
      select: (range) => actions.select(range),
      selecting: () => store.selecting.peek(),
      pick: (pointer, withShift) => {
        const hit = pointer.hits[0];
        const isGroup = store.groupById.peek().has(metric.id);
        if (withShift && store.view.peek().cursor !== null) actions.pinSecond(pointer.time);
        else if (hit && hit.distance <= ON_LINE_PX && !isGroup) actions.focus(hit.id);
        else actions.pin(store.view.peek().cursor === null ? pointer.time : null);
      },
      back: () => history.back(),
    },
    readTheme(),
  );
}
