// One panel's numbers for every container, beside what they were before.

import { computed, signal } from "@preact/signals";
import { quantileName, rank, type Stats, type StatKey } from "../data/stats";
import type { RankRow } from "../data/types";
import { formatChange, tabulate } from "../data/units";
import { reading } from "../plot/hit";
import * as actions from "../state/actions";
import { frameOf } from "../state/groups";
import { ranking } from "../state/look";
import * as store from "../state/store";
import { clock } from "../state/time";

type Key = StatKey | "change";

const sortKey = signal<Key>("p99");
const COLUMNS: readonly { key: "avg" | "p99" | "max"; label: string }[] = [
  { key: "avg", label: "avg" },
  { key: "p99", label: "p99" },
  { key: "max", label: "max" },
];

/** Rows in the table; the picker lists all. */
const ROWS = 100;

/** What the server says of each container, for the panel that is ranked. */
const served = computed<ReadonlyMap<string, RankRow>>(() => {
  const answer = store.ranked.value?.value;
  if (!answer || answer.metric !== store.rankedPanel.value) return new Map();
  return new Map(answer.rows.map((row) => [row.id, row]));
});

/** The change of the number that is looked at; where it was nothing before, there is no percentage. */
function change(row: RankRow | undefined, key: Key): number | null {
  if (!row?.before) return null;
  const field = key === "change" ? "p99" : key;
  const [now, then] = [row[field], row.before[field]];
  return now === null || then === null || then === 0 ? null : (now / then - 1) * 100;
}

/** Changes smaller than this are everyday. */
const NOTABLE_PERCENT = 10;

function sorted(rows: readonly Stats[], key: Key): readonly Stats[] {
  if (key !== "change") return rank(rows, key);
  const by = (row: Stats): number => Math.abs(change(served.value.get(row.id), key) ?? -1);
  return [...rows].sort((a, b) => by(b) - by(a));
}

export function Ranking() {
  const id = store.rankedPanel.value;
  const metric = id === null ? undefined : store.metricById.value.get(id);
  if (!metric) return null;
  const key = sortKey.value;
  const all = ranking(metric.id);
  const rows = sorted(all, key).slice(0, ROWS);
  const frame = frameOf(metric.id);
  const columns = new Map(frame?.series.map((column) => [column.id, column]));
  const time = store.cursor.value?.time ?? null;
  const shown = store.emphasised.value;
  const focused = new Set(store.view.value.focus);
  const table = tabulate(rows.flatMap(({ avg, p99, max }) => [avg, p99, max]), metric.unit);
  const base = store.ranked.value?.value?.base;
  const head = (one: Key, label: string, title?: string) => (
    <th key={one} scope="col" aria-sort={key === one ? "descending" : "none"} title={title}>
      <button type="button" onClick={() => (sortKey.value = one)}>
        {label}
      </button>
    </th>
  );
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
              {COLUMNS.map((column) => head(column.key, column.key === "p99" ? quantileName("p99", frame?.quantilesOf) : column.label))}
              {head("change", "Δ", base ? `Against ${clock(base.start_ms)} to ${clock(base.end_ms)}` : "Against the range before")}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => {
              const column = columns.get(row.id);
              const here =
                time === null ? row.last : frame && column ? (reading(column, frame, time)?.high ?? null) : null;
              const { name, place } = store.nameOf(row.id);
              const moved = change(served.value.get(row.id), key);
              const notable = moved === null || Math.abs(moved) < NOTABLE_PERCENT ? "" : moved > 0 ? "bad" : "good";
              return (
                <tr
                  key={row.id}
                  class={`${row.id === shown ? "at" : ""} ${focused.has(row.id) ? "sel" : ""}`}
                  onMouseEnter={() => (store.pointed.value = row.id)}
                  onClick={(event) => {
                    if (event.altKey) actions.soloOf(row.id);
                    else if (event.shiftKey) actions.alsoFocus(row.id);
                    else actions.focus(row.id);
                  }}
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
                  <td class={notable}>{moved === null ? "–" : formatChange(moved)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
        {rows.length === 0 && frame && <p class="none">No container has this metric in the range.</p>}
        {all.length > ROWS && <p class="none">The first {ROWS} of {all.length}; filter to see others.</p>}
      </div>
    </section>
  );
}
