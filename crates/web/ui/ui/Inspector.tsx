// The right column: the numbers of every container, what happened, a stretch of time, notes.

import type { JSX } from "preact";
import { isIncident, signOf } from "../state/look";
import * as store from "../state/store";
import type { Tab } from "../state/store";
import { Events } from "./Events";
import { Focused } from "./Focused";
import { Notes } from "./Notes";
import { RangeStats } from "./RangeStats";
import { Ranking } from "./Ranking";

const TABS: readonly { readonly id: Tab; readonly text: string }[] = [
  { id: "ranking", text: "Ranking" },
  { id: "events", text: "Events" },
  { id: "range", text: "Range" },
  { id: "notes", text: "Notes" },
];

/** With incidents in the first range, they come first; from then on the tab stays where it is. */
function shownTab(): Tab {
  if (store.chosenTab.value !== null) return store.chosenTab.value;
  return store.events.value.some(isIncident) ? "events" : "ranking";
}

const BODY: Readonly<Record<Tab, () => JSX.Element | null>> = {
  ranking: Ranking,
  events: Events,
  range: RangeStats,
  notes: Notes,
};

export function Inspector() {
  const tab = shownTab();
  const counts: Partial<Record<Tab, number>> = {
    events: store.events.value.filter(({ kind }) => signOf(kind)).length,
    notes: store.notes.value.length,
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const at = TABS.findIndex(({ id }) => id === tab);
    const next = TABS[(at + by + TABS.length) % TABS.length];
    store.chosenTab.value = next.id;
    document.getElementById(`tab-${next.id}`)?.focus();
  };
  const Body = BODY[tab];
  return (
    <aside class="r" aria-label="Inspector">
      <div class="tabs" role="tablist" aria-label="Inspector" onKeyDown={onKeyDown}>
        {TABS.map(({ id, text }) => (
          <button
            key={id}
            id={`tab-${id}`}
            type="button"
            role="tab"
            aria-selected={id === tab}
            aria-controls="inspector-body"
            tabIndex={id === tab ? 0 : -1}
            onClick={() => (store.chosenTab.value = id)}
          >
            {text}
            {counts[id] ? <b class={id === "events" ? "bad" : ""}>{counts[id]}</b> : null}
          </button>
        ))}
      </div>
      <div class="body" id="inspector-body" role="tabpanel" aria-labelledby={`tab-${tab}`}>
        <Body />
        {tab !== "notes" && <Focused />}
      </div>
    </aside>
  );
}
