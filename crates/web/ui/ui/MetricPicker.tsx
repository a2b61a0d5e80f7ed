// Metrics: fuzzy search, several at once, in the order of the catalogue's groups.

import { computed, signal, useSignal } from "@preact/signals";
import type { Metric } from "../data/types";
import { unitLabel } from "../data/units";
import { togglePanel } from "../state/actions";
import { favour, type Match, search } from "../state/fuzzy";
import { panels, pickable as metrics } from "../state/store";
import { MAX_PANELS } from "../state/url";

const query = signal("");

const GROUPS: Readonly<Record<string, string>> = {
  cpu: "CPU",
  memory: "Memory",
  io: "I/O",
  processes: "Processes",
  network: "Network",
  requests: "Requests",
};

/** Without a search: what is shown first, then derived before stored in each group. */
const found = computed<readonly Match<Metric>[]>(() => {
  const list = search(metrics.value, query.value, (metric) => metric, favour);
  if (query.value.trim() !== "") return list;
  const order = Object.keys(GROUPS);
  const shown = new Map(panels.value.map(({ metric }, i) => [metric, i]));
  const place = ({ item }: Match<Metric>): number =>
    shown.get(item.id) ?? 100 + order.indexOf(item.category) * 10 + (item.derived ? 0 : 1);
  return [...list].sort((a, b) => place(a) - place(b));
});

function Marked({ text, marks }: { text: string; marks: ReadonlySet<number> }) {
  if (marks.size === 0) return <>{text}</>;
  const parts: { text: string; hit: boolean }[] = [];
  [...text].forEach((letter, at) => {
    const hit = marks.has(at);
    const last = parts.at(-1);
    if (last && last.hit === hit) last.text += letter;
    else parts.push({ text: letter, hit });
  });
  return <>{parts.map((part) => (part.hit ? <mark>{part.text}</mark> : part.text))}</>;
}

export function MetricPicker() {
  const active = useSignal(0);
  const list = found.value;
  const shown = new Set(panels.value.map(({ metric }) => metric));
  const full = shown.size >= MAX_PANELS;
  const at = Math.min(active.value, list.length - 1);
  const optionId = (metric: Metric): string => `metric-${metric.id}`;
  const onKeyDown = (event: KeyboardEvent): void => {
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key];
    if (by !== undefined) {
      active.value = Math.max(0, Math.min(list.length - 1, at + by));
      const next = list[active.value];
      if (next) document.getElementById(optionId(next.item))?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter" || (event.key === " " && !(event.target instanceof HTMLInputElement))) {
      const pick = list[at];
      if (pick) togglePanel(pick.item.id);
    } else return;
    event.preventDefault();
  };
  return (
    <section class="metrics" aria-labelledby="metrics-head" onKeyDown={onKeyDown}>
      <h2 class="h" id="metrics-head">
        Metrics
        <small>
          {shown.size} of {metrics.value.length} shown
        </small>
      </h2>
      <label class="srch">
        <span aria-hidden="true">⌕</span>
        <input
          id="metric-search"
          type="search"
          placeholder="cpu throt, mem psi, io wr …"
          aria-label="Search metrics"
          aria-controls="metric-list"
          autocomplete="off"
          spellcheck={false}
          value={query.value}
          onInput={(event) => {
            query.value = event.currentTarget.value;
            active.value = 0;
          }}
        />
        <kbd aria-hidden="true">m</kbd>
      </label>
      <ul
        class="met"
        id="metric-list"
        role="listbox"
        aria-label="Metrics"
        aria-multiselectable="true"
        aria-activedescendant={list[at] ? optionId(list[at].item) : undefined}
        tabIndex={0}
      >
        {list.map(({ item, marks }, i) => {
          const selected = shown.has(item.id);
          return (
            <li
              key={item.id}
              id={optionId(item)}
              role="option"
              aria-selected={selected}
              aria-disabled={full && !selected}
              class={`${selected ? "sel" : ""} ${i === at ? "at" : ""}`}
              title={`${item.title}: ${item.help}`}
              onClick={() => {
                active.value = i;
                togglePanel(item.id);
              }}
            >
              <span class="cb" aria-hidden="true">
                {selected ? "✓" : ""}
              </span>
              <span class="n">
                <Marked text={item.id} marks={marks} />
              </span>
              <span class="u">{unitLabel(item.unit)}</span>
            </li>
          );
        })}
      </ul>
      {list.length === 0 && metrics.value.length > 0 && (
        <p class="none">
          Nothing fits “{query.value}”.{" "}
          <button
            type="button"
            class="a"
            onClick={() => {
              query.value = "";
            }}
          >
            Show all {metrics.value.length}
          </button>
        </p>
      )}
      {full && <p class="none">{MAX_PANELS} panels is the most; take one off to add another.</p>}
    </section>
  );
}
