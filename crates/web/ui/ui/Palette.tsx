// The command palette: a metric, a container of any time, a moment, a dashboard, or a command.

import { signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Hit } from "../data/types";
import * as actions from "../state/actions";
import { favour, search } from "../state/fuzzy";
import { moment } from "../state/moment";
import * as store from "../state/store";
import { clock, day, span } from "../state/time";
import { format } from "../state/url";
import { source } from "./context";
import { SHORTCUTS } from "./keys";

interface Entry {
  readonly id: string;
  readonly kind: string;
  readonly text: string;
  readonly more: string;
  readonly run: () => void;
}

const REST_MS = 120;
const PER_KIND = 6;
const hits = signal<readonly Hit[]>([]);

function goTo(time: number): void {
  const half = span(store.range.peek()) / 2;
  actions.show({ start: Math.round(time - half), end: Math.round(time + half) });
  actions.pin(time);
}

function openHit(hit: Hit): void {
  const { start, end } = store.range.peek();
  if (hit.at !== undefined && hit.at !== store.nodeAt.peek()) {
    const range = { start: Math.max(hit.first_ms, hit.last_ms - 900_000), end: hit.last_ms + 1000 };
    const there = { ...store.view.peek(), time: { range }, focus: [hit.id], cursor: null, filter: "" };
    location.assign(`../${hit.at}/${format(there)}`);
    return;
  }
  // A container of another time: its last minutes.
  if (hit.last_ms < start || hit.first_ms > end) {
    actions.show({ start: Math.max(hit.first_ms, hit.last_ms - 900_000), end: hit.last_ms + 1000 });
  }
  if (!store.view.peek().focus.includes(hit.id)) actions.focus(hit.id);
}

function entries(text: string): Entry[] {
  const query = text.trim();
  const list: Entry[] = [];
  const at = moment(query, store.newest.peek(), store.view.peek().utc);
  if (at !== null) {
    list.push({ id: "time", kind: "time", text: `Go to ${day(at)} ${clock(at)}`, more: new Date(at).toISOString(), run: () => goTo(at) });
  }
  const commands = SHORTCUTS.filter(({ palette }) => palette !== false).map((one) => ({ id: one.help, title: one.help, one }));
  for (const { item } of search(commands, query.toLowerCase(), (one) => one).slice(0, query ? PER_KIND : 8)) {
    list.push({ id: `do-${item.id}`, kind: "command", text: item.one.help, more: item.one.label, run: () => item.one.run(new KeyboardEvent("keydown", { key: item.one.keys[0] })) });
  }
  for (const board of search(store.dashboards.value.map((one) => ({ id: one.name, title: one.title, one })), query.toLowerCase(), (one) => one).slice(0, PER_KIND)) {
    const { one } = board.item;
    list.push({ id: `board-${one.name}`, kind: "dashboard", text: one.title, more: one.help, run: () => actions.openDashboard(one) });
  }
  if (query === "") return list;
  for (const hit of hits.value.slice(0, PER_KIND + 2)) {
    const place = [hit.at, hit.namespace, hit.pod].filter(Boolean).join("/");
    list.push({ id: `con-${hit.at ?? ""}-${hit.id}`, kind: "container", text: hit.name, more: place, run: () => openHit(hit) });
  }
  for (const { item } of search(store.pickable.value, query, (metric) => metric, favour).slice(0, PER_KIND)) {
    const shown = store.panels.value.some(({ metric }) => metric === item.id);
    list.push({ id: `metric-${item.id}`, kind: shown ? "metric, shown" : "metric", text: item.title, more: item.id, run: () => actions.togglePanel(item.id) });
  }
  // What a person names exactly is meant before a command that has its letters.
  const exact = (entry: Entry): number => Number(entry.text.toLowerCase().startsWith(query.toLowerCase()));
  return list.sort((a, b) => exact(b) - exact(a));
}

export function Palette() {
  const dialog = useRef<HTMLDialogElement>(null);
  const text = useSignal("");
  const active = useSignal(0);
  const open = store.paletteOpen.value;
  useEffect(() => {
    if (open) {
      text.value = "";
      active.value = 0;
      dialog.current?.showModal();
    } else dialog.current?.close();
  }, [open]);
  useEffect(() => {
    const query = text.value.trim();
    if (!open || query === "") {
      hits.value = [];
      return undefined;
    }
    const stop = new AbortController();
    const timer = setTimeout(() => {
      source()
        .find(query, stop.signal)
        .then((found) => (hits.value = found))
        .catch(() => undefined); // Commands and metrics are found without the server.
    }, REST_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [text.value, open]);
  const list = open ? entries(text.value) : [];
  const at = Math.max(0, Math.min(active.value, list.length - 1));
  const pick = (entry: Entry | undefined): void => {
    store.paletteOpen.value = false;
    entry?.run();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by !== undefined) {
      active.value = (at + by + list.length) % Math.max(1, list.length);
      document.getElementById(`cmd-${active.value}`)?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter") pick(list[at]);
    else return;
    event.preventDefault();
  };
  return (
    <dialog
      ref={dialog}
      class="palette"
      aria-label="Search or run a command"
      onClose={() => (store.paletteOpen.value = false)}
      onClick={(event) => {
        if (event.target === event.currentTarget) store.paletteOpen.value = false;
      }}
    >
      <input
        type="text"
        role="combobox"
        aria-label="Search or run a command"
        aria-expanded="true"
        aria-controls="cmd-list"
        aria-activedescendant={list[at] ? `cmd-${at}` : undefined}
        placeholder="A pod, a metric, a time (14:21:07, -10m), a command"
        autocomplete="off"
        spellcheck={false}
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value;
          active.value = 0;
        }}
        onKeyDown={onKeyDown}
      />
      <ul id="cmd-list" role="listbox" aria-label="Results">
        {list.map((entry, i) => (
          <li
            key={entry.id}
            id={`cmd-${i}`}
            role="option"
            aria-selected={i === at}
            onMouseMove={() => (active.value = i)}
            onClick={() => pick(entry)}
          >
            <span class="n">{entry.text}</span>
            <span class="dim">{entry.more}</span>
            <span class="k">{entry.kind}</span>
          </li>
        ))}
      </ul>
      {list.length === 0 && <p class="none">Nothing is called “{text.value}”.</p>}
    </dialog>
  );
}
