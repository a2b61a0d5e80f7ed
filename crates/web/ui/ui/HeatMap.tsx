// All containers at once: a row each, the remarkable ones on top.

import { effect, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { formatValue } from "../data/units";
import { type HeatPoint, HeatView } from "../plot/heat";
import { gradient } from "../plot/ramp";
import { readTheme } from "../plot/theme";
import * as actions from "../state/actions";
import * as store from "../state/store";
import { clock, duration } from "../state/time";
import { SORTS } from "../state/url";

const place = (id: string): string => {
  const { name, place: where } = store.nameOf(id);
  return where ? `${where}/${name}` : name;
};

export function HeatMap() {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<HeatView | null>(null);
  const point = useSignal<HeatPoint | null>(null);
  useEffect(() => {
    if (!host.current) return undefined;
    const made = new HeatView(
      host.current,
      {
        hover: (at) => {
          point.value = at;
          store.hover.value = at ? { time: at.time, panel: "heat", pointer: null } : null;
          store.pointed.value = at?.id ?? null;
        },
        pick: (id, time) => {
          actions.pin(time);
          if (!store.view.peek().focus.includes(id)) actions.focus(id);
        },
        box: (range, ids) => {
          actions.select(range);
          actions.askWhatDiffers(range);
          const [first] = ids;
          if (first !== undefined && !store.view.peek().focus.includes(first)) actions.focus(first);
        },
        zoom: actions.zoom,
        pan: actions.move,
        back: () => history.back(),
      },
      readTheme(),
    );
    view.current = made;
    const stop = [
      effect(() => {
        const frame = store.heat.value?.value ?? null;
        store.containerById.value;
        made.update({
          range: store.range.value,
          frame,
          names: frame?.series.map(({ id }) => place(id)) ?? [],
          marked: store.emphasised.value,
          cursor: null,
        });
      }),
      effect(() => {
        store.themeName.value;
        made.setTheme(readTheme());
      }),
    ];
    const observer = new ResizeObserver(() => made.resize());
    observer.observe(host.current);
    return () => {
      observer.disconnect();
      for (const end of stop) end();
      made.destroy();
      view.current = null;
    };
  }, []);
  useSignalEffect(() => {
    store.range.value;
    view.current?.setCursor(store.cursor.value?.time ?? null);
  });
  const spec = store.heatSpec.value;
  if (!spec) return null;
  const metric = store.metricById.value.get(spec.metric);
  const frame = store.heat.value?.value ?? null;
  const error = store.heat.value?.error ?? null;
  const top = frame?.series.reduce((most, { max }) => Math.max(most, max ?? 0), 0) ?? 0;
  const unit = metric?.unit ?? "";
  const shown = frame?.series.length ?? 0;
  const at = point.value;
  return (
    <section class="p heat" aria-label="Heat map of all containers">
      <div class="t">
        <h2>All containers</h2>
        <span class="sub">
          {metric?.title ?? spec.metric} · row = container
          {frame && ` · ${shown}${frame.matched > shown ? ` of ${frame.matched}` : ""} ${frame.matched === 1 ? "row" : "rows"} · highest of each ${duration(frame.step)}`}
        </span>
        <span class="sp" />
        {at && (
          <span class="readout">
            {place(at.id)} <b>{at.value === null ? "no sample" : formatValue(at.value, unit)}</b> {clock(at.time)}
          </span>
        )}
        <span class="ramp" aria-hidden="true">
          0 <i style={{ background: gradient(store.themeName.value) }} /> {formatValue(top, unit)}
        </span>
        <label class="sort">
          Sort{" "}
          <select
            value={spec.sort}
            onChange={(event) => {
              const sort = SORTS.find((one) => one === event.currentTarget.value);
              if (sort) actions.showHeat({ metric: spec.metric, sort });
            }}
          >
            {SORTS.map((sort) => (
              <option key={sort} value={sort}>
                {sort}
              </option>
            ))}
          </select>
        </label>
        <button type="button" aria-label="Take the heat map off" onClick={() => actions.showHeat("off")}>
          ✕
        </button>
      </div>
      <div
        class="c"
        role="img"
        aria-label={`Heat map of ${metric?.title ?? spec.metric}, ${shown} containers, highest ${formatValue(top, unit)}${frame?.series[0] ? ` by ${place(frame.series[0].id)}` : ""}`}
        data-heat={spec.metric}
      >
        <div class="plot" ref={host} />
        {error && (
          <div class="over" role="alert">
            <p>Heat map: {error}</p>
          </div>
        )}
        {frame && shown === 0 && (
          <div class="over">
            <p>No container has {metric?.title ?? spec.metric} in this range.</p>
          </div>
        )}
      </div>
    </section>
  );
}
