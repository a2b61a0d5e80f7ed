// Containers: the selection text, chips that edit it, and every container with its colour and value.

import { computed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Container } from "../data/types";
import { formatValue } from "../data/units";
import { reading } from "../plot/hit";
import { filter, focus, typeFilter } from "../state/actions";
import { ranking } from "../state/look";
import { type ChipKey, chosen, sameName, toggle } from "../state/select";
import { frameOf } from "../state/groups";
import * as store from "../state/store";

interface Row {
  readonly container: Container;
  readonly value: number | null;
}

/** At the crosshair if there is one, else the newest: the value of the topmost panel. */
const rows = computed<{ list: readonly Row[]; largest: number; unit: string }>(() => {
  const metric = store.panels.value[0]?.metric ?? "";
  const frame = frameOf(metric);
  const unit = store.metricById.value.get(metric)?.unit ?? "";
  const order = new Map(ranking(metric).map(({ id, last }, at) => [id, { at, last }]));
  const columns = new Map(frame?.series.map((column) => [column.id, column]));
  const time = store.cursor.value?.time ?? null;
  const list = store.containers.value.map((container): Row => {
    const column = columns.get(container.id);
    if (time === null || !frame || !column) {
      return { container, value: order.get(container.id)?.last ?? null };
    }
    return { container, value: reading(column, frame, time)?.high ?? null };
  });
  const place = ({ container }: Row): number => order.get(container.id)?.at ?? Infinity;
  list.sort((a, b) => place(a) - place(b) || a.container.name.localeCompare(b.container.name) || 0);
  const largest = list.reduce((most, { value }) => Math.max(most, value ?? 0), 0);
  return { list, largest, unit };
});

function counts(key: (container: Container) => string | null): [string, number][] {
  const sums = new Map<string, number>();
  for (const one of store.everyone.value) {
    const value = key(one);
    if (value) sums.set(value, (sums.get(value) ?? 0) + 1);
  }
  return [...sums].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
}

const CHIPS_AT_FIRST = 4;

function Chips() {
  const all = useSignal(false);
  const text = store.view.value.filter;
  const groups: { key: ChipKey; values: [string, number][] }[] = [
    { key: "ns", values: counts(({ namespace }) => namespace) },
    { key: "qos", values: counts(({ qos }) => qos) },
    {
      key: "has",
      values: [
        ...counts(({ oom_kills: kills = 0 }) => (kills > 0 ? "oom" : null)),
        ...counts(({ restarts = 0, instances }) => (restarts > 0 && instances.length > 1 ? "restart" : null)),
      ],
    },
  ];
  if (groups.every(({ values }) => values.length === 0)) return null;
  return (
    <div class="chips" role="group" aria-label="Namespace, QoS class and events">
      {groups.map(({ key, values }) => {
        const on = chosen(text, key);
        const shown = key === "ns" && !all.value
          ? values.filter(([value], i) => i < CHIPS_AT_FIRST || on.some((one) => sameName(one, value)))
          : values;
        return [
          ...shown.map(([value, count]) => (
            <button
              key={`${key}:${value}`}
              type="button"
              class={`chip ${on.some((one) => sameName(one, value)) ? "on" : ""}`}
              aria-pressed={on.some((one) => sameName(one, value))}
              onClick={() => filter(toggle(text, key, key === "qos" ? value.toLowerCase() : value))}
            >
              {key === "ns" ? `ns: ${value}` : key === "has" ? `has ${value === "oom" ? "OOM" : value}` : value}
              <b>{count}</b>
            </button>
          )),
          values.length > shown.length && (
            <button
              key="more"
              type="button"
              class="chip"
              aria-label={`${values.length - shown.length} more namespaces`}
              onClick={() => {
                all.value = true;
              }}
            >
              +{values.length - shown.length}
            </button>
          ),
        ];
      })}
    </div>
  );
}

const ROW_PX = 36;
/** Rows drawn beyond what is in sight, so that scrolling does not flash. */
const SPARE = 6;

export function ContainerPicker() {
  const scrolled = useSignal(0);
  const height = useSignal(600);
  const active = useSignal(0);
  const box = useRef<HTMLDivElement>(null);
  const { list, largest, unit } = rows.value;
  const isEmpty = list.length === 0;
  useEffect(() => {
    if (!box.current) return undefined;
    const observer = new ResizeObserver(([entry]) => {
      if (entry) height.value = entry.target.clientHeight;
    });
    observer.observe(box.current);
    return () => observer.disconnect();
  }, [isEmpty]);
  const theme = store.themeName.value;
  const shown = store.emphasised.value;
  const focused = new Set(store.view.value.focus);
  const total = store.everyone.value.length;
  const at = Math.max(0, Math.min(active.value, list.length - 1));
  const first = Math.max(0, Math.floor(scrolled.value / ROW_PX) - SPARE);
  const last = Math.min(list.length, Math.ceil((scrolled.value + height.value) / ROW_PX) + SPARE);
  const onKeyDown = (event: KeyboardEvent): void => {
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
    if (by !== undefined) {
      active.value = Math.max(0, Math.min(list.length - 1, at + by));
      const top = active.value * ROW_PX;
      const view = box.current;
      if (view && top < view.scrollTop) view.scrollTop = top;
      if (view && top + ROW_PX > view.scrollTop + view.clientHeight) {
        view.scrollTop = top + ROW_PX - view.clientHeight;
      }
      store.pointed.value = list[active.value]?.container.id ?? null;
    } else if (event.key === "Enter" || event.key === " ") {
      const row = list[at];
      if (row) focus(row.container.id);
    } else return;
    event.preventDefault();
  };
  return (
    <section class="containers" aria-labelledby="containers-head">
      <h2 class="h" id="containers-head">
        Containers
        <small>
          {!store.listed.value ? "" : list.length === total ? total : `${list.length} of ${total} match`}
        </small>
      </h2>
      <label class="srch">
        <span aria-hidden="true">⌕</span>
        <input
          id="container-search"
          type="search"
          placeholder="name, ns:, pod:, qos:, image:"
          aria-label="Filter containers"
          autocomplete="off"
          spellcheck={false}
          value={store.view.value.filter}
          onInput={(event) => typeFilter(event.currentTarget.value)}
        />
        <kbd aria-hidden="true">c</kbd>
      </label>
      <Chips />
      {isEmpty ? (
        <Empty total={total} />
      ) : (
        <div
          class="scroll"
          ref={box}
          onScroll={(event) => {
            scrolled.value = event.currentTarget.scrollTop;
          }}
        >
          <ul
            class="con"
            role="listbox"
            aria-label="Containers"
            aria-multiselectable="true"
            aria-activedescendant={list[at] && at >= first && at < last ? `con-${list[at].container.id}` : undefined}
            tabIndex={0}
            style={{ paddingTop: `${first * ROW_PX}px`, paddingBottom: `${(list.length - last) * ROW_PX}px` }}
            onKeyDown={onKeyDown}
            onBlur={() => {
              store.pointed.value = null;
            }}
            onMouseLeave={() => {
              store.pointed.value = null;
            }}
          >
            {list.slice(first, last).map(({ container, value }, i) => {
              const { id } = container;
              const { name, place } = store.nameOf(id);
              const colour = store.colours.known(id, theme) ?? "var(--s3)";
              const share = value !== null && largest > 0 ? Math.max(0, value / largest) : 0;
              const classes = `${focused.has(id) ? "sel" : ""} ${id === shown ? "at" : ""} ${value === null ? "off" : ""}`;
              return (
                <li
                  key={id}
                  id={`con-${id}`}
                  role="option"
                  aria-selected={focused.has(id)}
                  aria-posinset={first + i + 1}
                  aria-setsize={list.length}
                  class={classes}
                  title={title(container)}
                  onMouseEnter={() => {
                    store.pointed.value = id;
                  }}
                  onClick={() => {
                    active.value = first + i;
                    focus(id);
                  }}
                >
                  <span class="sw" style={{ background: colour }} />
                  <span class="n">
                    {name} <span class="dim">{place}</span>
                    {(container.oom_kills ?? 0) > 0 && (
                      <span class="ev bad" title={`${container.oom_kills} OOM kills in this range`}>
                        ✕{container.oom_kills}
                      </span>
                    )}
                  </span>
                  <span class="v">{formatValue(value, unit)}</span>
                  <span class="b">
                    <i style={{ width: `${share * 100}%`, background: colour }} />
                  </span>
                </li>
              );
            })}
          </ul>
        </div>
      )}
    </section>
  );
}

function title({ namespace, pod, container, name, image, cgroup_path }: Container): string {
  const lines = [
    [namespace, pod, container].filter(Boolean).join("/") || name,
    image,
    cgroup_path,
  ];
  return lines.filter(Boolean).join("\n");
}

function Empty({ total }: { total: number }) {
  const text = store.view.value.filter;
  const meta = store.meta.value;
  if (meta === null || !store.listed.value) return <p class="none">Loading …</p>;
  if (text !== "" && total > 0) {
    return (
      <p class="none">
        0 of {total} containers match <code>{text}</code>.{" "}
        <button type="button" class="a" onClick={() => filter("")}>
          Remove the filter
        </button>
      </p>
    );
  }
  return <p class="none">{meta.notice ?? "No container was recorded in this range."}</p>;
}
