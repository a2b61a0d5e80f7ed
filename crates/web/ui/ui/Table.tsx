// The numbers of a panel as a table, for those who do not see the picture or want to read exactly.

import { useSignal } from "@preact/signals";
import type { Metric } from "../data/types";
import { formatSpan } from "../data/units";
import { slotTime } from "../plot/spans";
import { frameOf } from "../state/groups";
import { ranking } from "../state/look";
import * as store from "../state/store";
import { clock, day, duration } from "../state/time";

const ROWS = 50;
const COLUMNS = 8;

export function Table({ metric }: { metric: Metric }) {
  const page = useSignal(0);
  const frame = frameOf(metric.id);
  if (!frame) return null;
  const focus = store.view.value.focus;
  const top = ranking(metric.id).map(({ id }) => id);
  const ids = [...new Set([...focus.filter((id) => top.includes(id)), ...top])].slice(0, COLUMNS);
  const columns = ids.flatMap((id) => frame.series.find((one) => one.id === id) ?? []);
  const { start, end } = store.range.value;
  const first = Math.max(0, Math.ceil((start - frame.t0) / frame.step));
  const last = Math.min(frame.n, Math.floor((end - frame.t0) / frame.step) + 1);
  const pages = Math.max(1, Math.ceil((last - first) / ROWS));
  const at = Math.min(page.value, pages - 1);
  const slots = Array.from({ length: Math.min(ROWS, last - first - at * ROWS) }, (_, i) => first + at * ROWS + i);
  return (
    <div class="numbers">
      <div class="bar">
        <span>
          {duration(frame.step)} per row{frame.reduced ? ", smallest to largest in it" : ""} · {columns.length} of{" "}
          {frame.series.length}
        </span>
        <button type="button" class="btn" disabled={at === 0} onClick={() => (page.value = at - 1)}>
          Earlier
        </button>
        <span>
          {at + 1} / {pages}
        </span>
        <button type="button" class="btn" disabled={at >= pages - 1} onClick={() => (page.value = at + 1)}>
          Later
        </button>
        <button type="button" class="btn" onClick={() => (store.tableOf.value = null)}>
          Close
        </button>
      </div>
      <div class="scroll" tabIndex={0} role="region" aria-label={`Numbers of ${metric.title}`}>
        <table>
          <thead>
            <tr>
              <th scope="col">{day(start)}</th>
              {columns.map(({ id }) => (
                <th key={id} scope="col">
                  {store.nameOf(id).name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {slots.map((slot) => (
              <tr key={slot}>
                <th scope="row">{clock(frame.reduced ? frame.t0 + slot * frame.step : slotTime(frame, slot))}</th>
                {columns.map(({ id, low, high }) => (
                  <td key={id}>
                    {Number.isNaN(high[slot]) ? "no sample" : formatSpan(low[slot], high[slot], metric.unit)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}
