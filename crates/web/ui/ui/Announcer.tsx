// Says the value at the crosshair aloud, once it rests.

import { useSignal, useSignalEffect } from "@preact/signals";
import { formatSpan } from "../data/units";
import { reading } from "../plot/hit";
import { frameOf } from "../state/groups";
import * as store from "../state/store";
import { clock } from "../state/time";

const REST_MS = 400;

export function Announcer() {
  const text = useSignal("");
  useSignalEffect(() => {
    const at = store.cursor.value;
    const metric = store.metricById.value.get(store.rankedPanel.value ?? "");
    const id = store.emphasised.value;
    if (!at || !metric || id === null) return undefined;
    const timer = setTimeout(() => {
      const frame = frameOf(metric.id);
      const column = frame?.series.find((one) => one.id === id);
      const value = frame && column ? reading(column, frame, at.time) : null;
      const said = value ? formatSpan(value.low, value.high, metric.unit) : "no sample";
      text.value = `${clock(at.time)}, ${store.nameOf(id).name}, ${metric.title} ${said}`;
    }, REST_MS);
    return () => clearTimeout(timer);
  });
  return (
    <div class="hidden" role="status" aria-live="polite">
      {text.value}
    </div>
  );
}
