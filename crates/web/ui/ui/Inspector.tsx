// The right column: the numbers of one panel for every container, the focused container, events.

import { signal } from "@preact/signals";
import { formatValue, tabulate } from "../data/units";
import { rank, type StatKey } from "../data/stats";
import { reading } from "../plot/hit";
import * as actions from "../state/actions";
import { latest, limitOf } from "../state/limits";
import { ranking, signOf } from "../state/look";
import * as store from "../state/store";
import { clock, day } from "../state/time";
import { describe } from "./Tooltip";

export function Inspector() {
  return (
    <aside class="r" aria-label="Inspector">
      <Ranking />
      <Focused />
      <Events />
    </aside>
  );
}

const sortKey = signal<StatKey>("p99");
const COLUMNS: readonly { key: StatKey; label: string }[] = [
  { key: "avg", label: "avg" },
  { key: "p99", label: "p99" },
  { key: "max", label: "max" },
];

/** Rows in the table; the picker lists all. */
const ROWS = 100;

function Ranking() {
  const id = store.rankedPanel.value;
  const metric = id === null ? undefined : store.metricById.value.get(id);
  if (!metric) return null;
  const key = sortKey.value;
  const rows = rank(ranking(metric.id), key).slice(0, ROWS);
  const frame = store.frameOf(metric.id);
  const columns = new Map(frame?.series.map((column) => [column.id, column]));
  const time = store.cursor.value?.time ?? null;
  const shown = store.emphasised.value;
  const focused = new Set(store.view.value.focus);
  const table = tabulate(rows.flatMap(({ avg, p99, max }) => [avg, p99, max]), metric.unit);
  return (
    <section class="ranking" aria-labelledby="ranking-head">
      <h2 class="h" id="ranking-head">
        {metric.title}
        <small>
          {table.unit ? `${table.unit} · ` : ""}this window, by {key}
        </small>
      </h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="Ranking of containers">
        <table class="rk" onMouseLeave={() => (store.pointed.value = null)}>
          <thead>
            <tr>
              <th scope="col">container</th>
              <th scope="col">{time === null ? "now" : "cursor"}</th>
              {COLUMNS.map((column) => (
                <th
                  key={column.key}
                  scope="col"
                  aria-sort={key === column.key ? "descending" : "none"}
                >
                  <button type="button" onClick={() => (sortKey.value = column.key)}>
                    {column.label}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => {
              const column = columns.get(row.id);
              const here =
                time === null ? row.last : frame && column ? (reading(column, frame, time)?.high ?? null) : null;
              const { name, place } = store.nameOf(row.id);
              return (
                <tr
                  key={row.id}
                  class={`${row.id === shown ? "at" : ""} ${focused.has(row.id) ? "sel" : ""}`}
                  onMouseEnter={() => (store.pointed.value = row.id)}
                  onClick={() => actions.focus(row.id)}
                >
                  <td title={place ? `${place}/${name}` : name}>
                    <i class="sw" style={{ background: store.colours.of(row.id, store.themeName.value) }} />
                    {name}
                  </td>
                  <td class="here">{table.cell(here)}</td>
                  {COLUMNS.map((one) => (
                    <td key={one.key} class={one.key === key ? "x" : ""}>
                      {table.cell(row[one.key])}
                    </td>
                  ))}
                </tr>
              );
            })}
          </tbody>
        </table>
        {rows.length === 0 && frame && <p class="none">No container has this metric in the range.</p>}
      </div>
    </section>
  );
}

/** Who is focused, and what it may use. */
function Focused() {
  const id = store.view.value.focus[0];
  if (id === undefined) return null;
  const found = store.containerById.value.get(id);
  const limits = store.panels.value.flatMap(({ metric }) => {
    const known = store.metricById.value.get(metric);
    const limit = known && limitOf(known, store.frameOf, id);
    return known && limit ? [`${known.title} limit ${formatValue(latest(limit.column), known.unit)}`] : [];
  });
  return (
    <section class="card" aria-labelledby="focus-head">
      <h2 id="focus-head">
        <i class="sw" style={{ background: store.colours.known(id, store.themeName.value) ?? "var(--s3)" }} />
        {found ? store.nameOf(id).name : `Container ${id}`}
        <button type="button" class="a" onClick={() => actions.focus(id)}>
          let go
        </button>
      </h2>
      {found ? (
        <dl>
          {found.namespace && <Fact name="pod" text={`${found.namespace}/${found.pod ?? ""}`} />}
          {found.qos && <Fact name="QoS" text={found.qos} />}
          {found.image && <Fact name="image" text={found.image} />}
          {limits.length > 0 && <Fact name="limits" text={limits.join(", ")} />}
          <Fact name="seen" text={`${day(found.first_ms)} ${clock(found.first_ms)} – ${clock(found.last_ms)}`} />
          {found.instances.length > 1 && <Fact name="lives" text={String(found.instances.length)} />}
          {found.cgroup_path && <Fact name="cgroup" text={found.cgroup_path} />}
        </dl>
      ) : (
        <p>Not recorded in this range.</p>
      )}
    </section>
  );
}

function Fact({ name, text }: { name: string; text: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd title={text}>{text}</dd>
    </>
  );
}

const AROUND_MS = 60_000;
const EVENTS_AT_MOST = 200;

function Events() {
  const all = store.events.value.filter(({ kind }) => signOf(kind));
  const list = all.slice(-EVENTS_AT_MOST).reverse();
  return (
    <section class="card events" aria-labelledby="events-head">
      <h2 id="events-head">
        Events in window <span>{all.length}</span>
      </h2>
      {list.length === 0 && <p>No events in this window.</p>}
      <ul>
        {list.map((event) => {
          const sign = signOf(event.kind);
          return (
            <li key={event.event_id}>
              <button
                type="button"
                class="tl"
                title="Zoom to a minute around it"
                onClick={() =>
                  actions.show({ start: event.time_ms - AROUND_MS, end: event.time_ms + AROUND_MS })
                }
              >
                <time>{clock(event.time_ms)}</time>
                <span class={sign?.tone ?? ""} aria-hidden="true">
                  {sign?.glyph}
                </span>
                <span class="what">{describe(event)}</span>
              </button>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
