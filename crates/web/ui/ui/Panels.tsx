// The stacked panels: one picture each, one crosshair for all.

import { effect, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Metric } from "../data/types";
import { formatSpan, formatValue, unitWords } from "../data/units";
import { reading } from "../plot/hit";
import { PanelView } from "../plot/panel";
import { readTheme } from "../plot/theme";
import * as actions from "../state/actions";
import { colouredOf, LINES_AT_MOST, panelModel, ranking } from "../state/look";
import * as store from "../state/store";
import { duration } from "../state/time";
import { again } from "./context";
import { Tooltip } from "./Tooltip";

export function Panels() {
  const list = store.panels.value;
  const known = store.metricById.value;
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
      {list.map(({ metric }, i) => {
        const found = known.get(metric);
        return found ? (
          <Panel key={metric} metric={found} isFirst={i === 0} isLast={i === list.length - 1} />
        ) : (
          <section class="p" key={metric} aria-label={metric}>
            <Problem text={`This server does not know the metric ${metric}.`} metric={metric} />
          </section>
        );
      })}
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
  const one = store.loaded.value.get(metric.id);
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

function Head({ metric, isFirst, isLast }: { metric: Metric; isFirst: boolean; isLast: boolean }) {
  const rows = ranking(metric.id);
  const frame = store.frameOf(metric.id);
  const coloured = colouredOf(rows.length);
  const parts = [unitWords(metric.unit)];
  if (rows.length > 0) parts.push(`${rows.length} container${rows.length === 1 ? "" : "s"}`);
  if (rows.length > LINES_AT_MOST) parts.push(`top ${coloured} coloured`);
  if (frame && frame.matched > frame.series.length) {
    parts.push(`top ${frame.series.length} of ${frame.matched}; refine the filter`);
  }
  if (frame && rows.length > 0) parts.push(`${duration(frame.step)}${frame.reduced ? " min…max" : ""}`);
  return (
    <div class="t">
      <h2 title={metric.help}>{metric.title}</h2>
      <span class="sub">{parts.filter(Boolean).join(" · ")}</span>
      <span class="sp" />
      <Readout metric={metric} />
      <button
        type="button"
        disabled={isFirst}
        aria-label={`Move ${metric.title} up`}
        onClick={() => actions.movePanel(metric.id, -1)}
      >
        ↑
      </button>
      <button
        type="button"
        disabled={isLast}
        aria-label={`Move ${metric.title} down`}
        onClick={() => actions.movePanel(metric.id, 1)}
      >
        ↓
      </button>
      <button type="button" aria-label={`Take ${metric.title} off`} onClick={() => actions.togglePanel(metric.id)}>
        ✕
      </button>
    </div>
  );
}

/** What the emphasised container has in this panel, at the crosshair or now. */
function Readout({ metric }: { metric: Metric }) {
  const id = store.emphasised.value;
  const frame = store.frameOf(metric.id);
  const column = id === null ? undefined : frame?.series.find((one) => one.id === id);
  if (id === null || !frame || !column) return null;
  const time = store.cursor.value?.time ?? frame.t0 + (frame.n - 1) * frame.step;
  const value = reading(column, frame, time);
  return (
    <span class="readout">
      <i class="sw" style={{ background: store.colours.of(id, store.themeName.value) }} />
      {store.nameOf(id).name} <b>{value ? formatSpan(value.low, value.high, metric.unit) : "no sample"}</b>
    </span>
  );
}

/** The panel in one sentence, for those who do not see it. */
function summary(metric: Metric): string {
  const rows = ranking(metric.id);
  if (rows.length === 0) return `${metric.title}: no data`;
  const top = rows.reduce((most, row) => ((row.max ?? 0) > (most.max ?? 0) ? row : most), rows[0]);
  return `${metric.title}, ${rows.length} containers, highest ${formatValue(top.max, metric.unit)} by ${store.nameOf(top.id).name}`;
}

function Panel({ metric, isFirst, isLast }: { metric: Metric; isFirst: boolean; isLast: boolean }) {
  const host = useRef<HTMLDivElement>(null);
  const panel = useRef<PanelView | null>(null);
  const first = useSignal(isFirst);
  first.value = isFirst;
  useEffect(() => {
    if (!host.current) return undefined;
    const view = mount(host.current, metric);
    panel.current = view;
    const stop = [
      effect(() => {
        const model = panelModel(metric, first.value);
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
    };
  }, [metric.id]);
  useSignalEffect(() => {
    store.range.value;
    panel.current?.setCursor(store.cursor.value?.time ?? null, store.emphasised.value);
  });
  const { error = null } = store.loaded.value.get(metric.id) ?? {};
  const waiting = !store.loaded.value.has(metric.id) && store.connection.value.state === "up";
  const nothing = emptiness(metric);
  return (
    <section class="p" aria-label={metric.title} onPointerEnter={() => (store.activePanel.value = metric.id)}>
      <Head metric={metric} isFirst={isFirst} isLast={isLast} />
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
          if (by === undefined) return;
          event.preventDefault();
          actions.stepCursor(event.shiftKey ? by * 10 : by);
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
        {error && <Problem text={`${metric.title}: ${error.message}`} url={error.url} metric={metric.id} />}
      </div>
    </section>
  );
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
      pick: (pointer) => {
        const hit = pointer.hits[0];
        if (hit && hit.distance <= ON_LINE_PX) actions.focus(hit.id);
        else actions.pin(store.view.peek().cursor === null ? pointer.time : null);
      },
      back: () => history.back(),
    },
    readTheme(),
  );
}
