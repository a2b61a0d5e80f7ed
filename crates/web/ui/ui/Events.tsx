// What happened in the window, newest on top; the card of the one that is looked at.

import type { EventRow } from "../data/types";
import * as actions from "../state/actions";
import { facts, kindText, sentence } from "../state/incident";
import { signOf } from "../state/look";
import * as store from "../state/store";
import { clock, day } from "../state/time";
import { copyIncident } from "./exports";

const AROUND_MS = 60_000;
const EVENTS_AT_MOST = 200;

export function Events() {
  const all = store.events.value.filter(({ kind }) => signOf(kind));
  const list = all.slice(-EVENTS_AT_MOST).reverse();
  const open = store.openEvent.value;
  return (
    <section class="events" aria-labelledby="events-head">
      <h2 class="h" id="events-head">
        Events in window
        <small>
          <kbd>n</kbd> <kbd>p</kbd> step
        </small>
      </h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="Events">
        {list.length === 0 && <p class="none">No OOM kill, restart, throttling or change of limits in this window.</p>}
        <ul>
          {list.map((event) => (
            <li key={event.event_id} class={event.event_id === open ? "open" : ""}>
              <Line event={event} isOpen={event.event_id === open} />
              {event.event_id === open && <Card event={event} />}
            </li>
          ))}
        </ul>
        {all.length > list.length && <p class="none">The newest {list.length} of {all.length}.</p>}
      </div>
    </section>
  );
}

const who = (event: EventRow): string => (event.id ? store.nameOf(event.id).name : (event.name ?? "node"));

function Line({ event, isOpen }: { event: EventRow; isOpen: boolean }) {
  const sign = signOf(event.kind);
  return (
    <button
      type="button"
      class="tl"
      aria-expanded={isOpen}
      onClick={() => {
        store.openEvent.value = isOpen ? null : event.event_id;
        actions.pin(isOpen ? null : event.time_ms);
      }}
    >
      <time>{clock(event.time_ms)}</time>
      <span class={sign?.tone ?? ""} aria-hidden="true">
        {sign?.glyph}
      </span>
      <span class="what">{sentence(event, who(event))}</span>
    </button>
  );
}

function Card({ event }: { event: EventRow }) {
  const { id } = event;
  const place = id ? store.nameOf(id).place : "";
  return (
    <div class="card">
      <h3>
        {kindText(event.kind)} of {place ? `${place}/` : ""}
        {who(event)}
      </h3>
      <dl>
        <dt>time</dt>
        <dd>
          {day(event.time_ms)} {clock(event.time_ms)}
        </dd>
        {facts(event).map(([key, value]) => (
          <>
            <dt key={`${key} name`}>{key}</dt>
            <dd key={key} title={value}>
              {value}
            </dd>
          </>
        ))}
      </dl>
      <p class="acts">
        <button
          type="button"
          class="btn"
          onClick={() => actions.show({ start: event.time_ms - AROUND_MS, end: event.time_ms + AROUND_MS })}
        >
          Zoom ± 60 s
        </button>
        {id && !store.view.value.focus.includes(id) && (
          <button type="button" class="btn" onClick={() => actions.focus(id)}>
            Focus it
          </button>
        )}
        <button type="button" class="btn" title="As Markdown, with a link (Shift Y)" onClick={() => copyIncident(event)}>
          Copy
        </button>
        <button type="button" class="btn" onClick={() => actions.writeNote(event.time_ms, null, id)}>
          Note
        </button>
      </p>
    </div>
  );
}
