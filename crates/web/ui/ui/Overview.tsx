// The navigator over everything stored.

import { effect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { OverviewView } from "../plot/overview";
import { readTheme } from "../plot/theme";
import * as actions from "../state/actions";
import { markers } from "../state/look";
import * as store from "../state/store";
import { clock, day, duration, span } from "../state/time";

export function Overview() {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!host.current) return undefined;
    const view = new OverviewView(
      host.current,
      {
        show: actions.show,
        slide: actions.slide,
        zoom: actions.zoom,
      },
      readTheme(),
    );
    const stop = [
      effect(() => {
        view.update({
          stored: store.stored.value,
          shown: store.range.value,
          frame: store.overview.value?.frame ?? null,
          markers: markers(store.allEvents.value, store.notes.value),
        });
      }),
      effect(() => {
        store.themeName.value;
        view.setTheme(readTheme());
      }),
    ];
    const observer = new ResizeObserver(() => {
      view.resize();
      store.stripWidth.value = Math.ceil((host.current?.clientWidth ?? 0) / 64) * 64;
    });
    observer.observe(host.current);
    return () => {
      observer.disconnect();
      for (const end of stop) end();
      view.destroy();
    };
  }, []);
  const stored = store.stored.value;
  const shown = store.range.value;
  const loaded = store.overview.value;
  const metric = loaded ? store.metricById.value.get(loaded.metric) : undefined;
  const title = metric?.title ?? "";
  return (
    <nav
      class="ov"
      aria-label="Overview of everything stored"
      title={`${title}, all containers: extremes and mean over ${duration(span(stored))}. Drag the window or its edges, drag beside it for a new one, click to go there.`}
    >
      <div
        class="strip"
        ref={host}
        role="slider"
        tabIndex={0}
        aria-label="Window in time"
        aria-valuemin={Math.round(stored.start / 1000)}
        aria-valuemax={Math.round(stored.end / 1000)}
        aria-valuenow={Math.round(Math.min(stored.end, Math.max(stored.start, (shown.start + shown.end) / 2)) / 1000)}
        aria-valuetext={`${day(shown.start)} ${clock(shown.start)} to ${day(shown.end)} ${clock(shown.end)}`}
        onKeyDown={(event) => {
          const by = { ArrowLeft: -0.2, ArrowRight: 0.2, PageUp: -1, PageDown: 1 }[event.key];
          if (by === undefined) return;
          event.preventDefault();
          actions.move(by);
        }}
      />
    </nav>
  );
}
