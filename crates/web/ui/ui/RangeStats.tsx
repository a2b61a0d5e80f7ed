// A selected stretch, or two pins: the numbers of every panel for who stands out.

import { over } from "../data/range";
import type { Named } from "../data/types";
import { formatChange, formatValue } from "../data/units";
import { reading } from "../plot/hit";
import * as actions from "../state/actions";
import { frameOf } from "../state/groups";
import { ranking } from "../state/look";
import * as store from "../state/store";
import { clock, duration, type Range, span } from "../state/time";

const CONTAINERS = 6;

export function RangeStats() {
  const { selection, cursor } = store.view.value;
  const second = store.secondPin.value;
  return (
    <section class="stats" aria-labelledby="stats-head">
      <h2 class="h" id="stats-head">
        Range
        <small>Ctrl + drag selects, Shift + click pins again</small>
      </h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="Numbers of the range">
        {cursor !== null && second !== null && <Between first={cursor} second={second} />}
        {selection ? (
          <Selected range={selection} />
        ) : (
          second === null && <p class="none">Hold Ctrl and drag over a panel, or press V and drag, to see the numbers of a stretch of time without zooming into it.</p>
        )}
      </div>
    </section>
  );
}

function Selected({ range }: { range: Range }) {
  return (
    <>
      <p class="about">
        {clock(range.start)} to {clock(range.end)} · {duration(span(range))}
      </p>
      <p class="acts">
        <button type="button" class="btn" onClick={() => actions.show(range)}>
          Zoom into it
        </button>
        <button type="button" class="btn" onClick={() => actions.writeNote(range.start, range.end, store.view.peek().focus[0] ?? null)}>
          Note
        </button>
        <button type="button" class="btn" onClick={() => actions.askWhatDiffers(range)}>
          What differs
        </button>
        <button type="button" class="btn" onClick={() => actions.select(null)}>
          Clear
        </button>
      </p>
      {store.panels.value.map(({ metric }) => (
        <OfPanel key={metric} metric={metric} range={range} />
      ))}
      <Differing range={range} />
    </>
  );
}

function OfPanel({ metric, range }: { metric: string; range: Range }) {
  const known = store.metricById.value.get(metric);
  const frame = frameOf(metric);
  if (!known || !frame) return null;
  const focus = store.view.value.focus.filter((id) => frame.series.some((one) => one.id === id));
  const ids = focus.length > 0 ? focus : ranking(metric).slice(0, CONTAINERS).map(({ id }) => id);
  const rows = ids.flatMap((id) => {
    const column = frame.series.find((one) => one.id === id);
    const stats = column ? over(column, frame, range) : null;
    return stats ? [{ id, stats }] : [];
  });
  if (rows.length === 0) return null;
  const cell = (value: number): string => formatValue(value, known.unit);
  return (
    <table class="rk st">
      <caption>{known.title}</caption>
      <thead>
        <tr>
          {["", "min", "avg", "p50", "p95", "p99", "max"].map((text) => (
            <th key={text} scope="col">
              {text || "container"}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(({ id, stats }) => (
          <tr key={id}>
            <td title={`${stats.count} slots${stats.missing > 0 ? `, ${stats.missing} without a sample` : ""}`}>
              <i class="sw" style={{ background: store.colours.of(id, store.themeName.value) }} />
              {store.nameOf(id).name}
            </td>
            {[stats.min, stats.avg, stats.p50, stats.p95, stats.p99, stats.max].map((value, i) => (
              <td key={i}>{cell(value)}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Who differs in what from the range before, or from the one that is compared. */
function Differing({ range }: { range: Range }) {
  const asked = store.differingIn.value;
  if (asked === null || asked.start !== range.start || asked.end !== range.end) return null;
  const query = store.diffQuery.value;
  const answer = store.differing.value;
  if (!query || !answer || answer.key !== store.keyOfDiff(query)) return <p class="none">Looking for what differs…</p>;
  if (!answer.value) return <p class="none">What differs is not known: {answer.error}</p>;
  const { a, appeared, vanished, rows } = answer.value;
  return (
    <table class="rk st diff">
      <caption>
        What differs from {clock(a.start_ms)} to {clock(a.end_ms)}
      </caption>
      <thead>
        <tr>
          {["container", "metric", "before", "here", "Δ"].map((text) => (
            <th key={text} scope="col">
              {text}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => {
          const title = store.metricById.value.get(row.metric)?.title ?? row.metric;
          return (
            <tr key={`${row.id} ${row.metric}`}>
              <td title={[row.namespace, row.pod, row.name].filter(Boolean).join("/")}>
                <i class="sw" style={{ background: store.colours.of(row.id, store.themeName.value) }} />
                {row.name}
              </td>
              <td title={`${title}: Cliff's delta ${row.delta.toFixed(2)}`}>
                <button type="button" onClick={() => actions.lookAt(row.id, row.metric)}>
                  {title}
                </button>
              </td>
              <td>{formatValue(row.before, row.unit)}</td>
              <td>{formatValue(row.after, row.unit)}</td>
              <td>{row.change_percent === null ? "new" : formatChange(row.change_percent)}</td>
            </tr>
          );
        })}
        <Only what="only here" who={appeared} />
        <Only what="only before" who={vanished} />
        {rows.length + appeared.length + vanished.length === 0 && (
          <tr>
            <td colSpan={5} class="only">
              Nothing differs by more than a little.
            </td>
          </tr>
        )}
      </tbody>
    </table>
  );
}

/** Containers of one of the two ranges, those of the same name together. */
function Only({ what, who }: { what: string; who: readonly Named[] }) {
  if (who.length === 0) return null;
  const counts = new Map<string, number>();
  for (const { name } of who) counts.set(name, (counts.get(name) ?? 0) + 1);
  const names = [...counts].map(([name, count]) => (count > 1 ? `${name} ×${count}` : name));
  return (
    <tr>
      <td colSpan={5} class="only">
        <b>{what}: </b>
        {names.join(", ")}
      </td>
    </tr>
  );
}

/** What changed from one pin to the other. */
function Between({ first, second }: { first: number; second: number }) {
  const [from, to] = [Math.min(first, second), Math.max(first, second)];
  const rows = store.panels.value.flatMap(({ metric }) => {
    const known = store.metricById.value.get(metric);
    const frame = frameOf(metric);
    const id = store.view.value.focus[0] ?? ranking(metric)[0]?.id;
    const column = frame?.series.find((one) => one.id === id);
    if (!known || !frame || !column) return [];
    const [a, b] = [reading(column, frame, from), reading(column, frame, to)];
    return a && b ? [{ known, id: column.id, a: a.high, b: b.high }] : [];
  });
  return (
    <table class="rk st">
      <caption>
        {clock(from)} to {clock(to)}, Δt {duration(to - from)}
      </caption>
      <thead>
        <tr>
          <th scope="col">metric</th>
          <th scope="col">from</th>
          <th scope="col">to</th>
          <th scope="col">Δ</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ known, id, a, b }) => (
          <tr key={known.id}>
            <td title={`${known.title} of ${store.nameOf(id).name}`}>{known.title}</td>
            <td>{formatValue(a, known.unit)}</td>
            <td>{formatValue(b, known.unit)}</td>
            <td>
              {b >= a ? "+" : "−"}
              {formatValue(Math.abs(b - a), known.unit)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
