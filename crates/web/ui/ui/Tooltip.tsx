// The three nearest series at the pointer; the rest stands in the cursor column of the ranking.

import type { EventRow, Metric } from "../data/types";
import { formatSpan } from "../data/units";
import { sentence } from "../state/incident";
import { signOf } from "../state/look";
import { frameOf } from "../state/groups";
import * as store from "../state/store";
import { clock, day } from "../state/time";

interface Area {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

const GAP_PX = 18;
const WIDTH_PX = 250;
/** An event this close to the crosshair is told of. */
const EVENT_PX = 6;

export function Tooltip({ metric, area }: { metric: Metric; area: () => Area | null }) {
  const at = store.hover.value;
  const box = area();
  if (!at?.pointer || at.panel !== metric.id || !box) return null;
  const { pointer, time } = at;
  const frame = frameOf(metric.id);
  const theme = store.themeName.value;
  const flips = pointer.x + GAP_PX + WIDTH_PX > box.width;
  const place = flips
    ? { right: `calc(100% - ${box.left + pointer.x - GAP_PX}px)` }
    : { left: `${box.left + pointer.x + GAP_PX}px` };
  const { start, end } = store.range.value;
  const near = nearEvent(store.events.value, time, ((end - start) / box.width) * EVENT_PX);
  const total = frame?.series.length ?? 0;
  return (
    <div class="tip" style={{ top: `${box.top + 6}px`, ...place }} aria-hidden="true">
      <div class="tip-head">
        <b>{clock(time)}</b>
        <span>
          {day(time)}
          {total > 3 ? ` · 3 nearest of ${total}` : ""}
        </span>
      </div>
      <table>
        <tbody>
          {pointer.hits.map(({ id, low, high }) => {
            const { name, place: where } = store.nameOf(id);
            return (
              <tr key={id} class={id === store.emphasised.value ? "at" : ""}>
                <td>
                  <i class="sw" style={{ background: store.colours.of(id, theme) }} />
                  {name} <span class="dim">{where}</span>
                </td>
                <td>{formatSpan(low, high, metric.unit)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {pointer.hits.length === 0 && <p>no sample</p>}
      {near && <p class="ft">{near}</p>}
    </div>
  );
}

function nearEvent(events: readonly EventRow[], time: number, within: number): string | null {
  let best: EventRow | null = null;
  for (const event of events) {
    const away = Math.abs(event.time_ms - time);
    if (away <= within && signOf(event.kind) && (!best || away < Math.abs(best.time_ms - time))) best = event;
  }
  if (!best) return null;
  const who = best.id ? store.nameOf(best.id).name : (best.name ?? "node");
  return `${signOf(best.kind)?.glyph} ${sentence(best, who)} at ${clock(best.time_ms)}`;
}
