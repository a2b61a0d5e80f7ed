// What people wrote down, and the form to write.

import { useEffect, useRef } from "preact/hooks";
import type { Note } from "../data/types";
import * as actions from "../state/actions";
import * as store from "../state/store";
import { clock, day } from "../state/time";
import { source } from "./context";

const AROUND_MS = 300_000;

async function reload(): Promise<void> {
  store.notes.value = await source().notes();
}

async function keep(text: string): Promise<void> {
  const draft = store.draft.peek();
  if (!draft || text.trim() === "") return;
  const { version, ...note } = draft;
  try {
    await source().putNote({ ...note, text: text.trim() }, version);
    store.draft.value = null;
    await reload();
  } catch (error) {
    actions.say(error instanceof Error ? error.message : String(error), true);
  }
}

async function remove(note: Note): Promise<void> {
  try {
    await source().deleteNote(note.id, note.version);
  } catch (error) {
    actions.say(error instanceof Error ? error.message : String(error), true);
  }
  await reload().catch(() => undefined);
}

export function Notes() {
  const list = [...store.notes.value].reverse();
  const draft = store.draft.value;
  return (
    <section class="notes" aria-labelledby="notes-head">
      <h2 class="h" id="notes-head">
        Notes
        <small>
          <button type="button" class="a" onClick={() => actions.writeNote(null, null, null)}>
            write one (B)
          </button>
        </small>
      </h2>
      {draft && <Form key={draft.id} />}
      <div class="scroll" tabIndex={0} role="region" aria-label="Notes">
        {list.length === 0 && !draft && <p class="none">Nothing is written down. B writes a note at the crosshair; everybody who opens this recording sees it.</p>}
        <ul>
          {list.map((note) => (
            <li key={note.id} class="note">
              <button
                type="button"
                class="tl"
                title="Go there"
                onClick={() => {
                  const end = note.end_ms ?? note.time_ms;
                  actions.show({ start: note.time_ms - AROUND_MS, end: end + AROUND_MS });
                  actions.pin(note.time_ms);
                }}
              >
                <time>
                  {day(note.time_ms)} {clock(note.time_ms)}
                </time>
              </button>
              <p>{note.text}</p>
              <p class="acts">
                {note.series && <span class="dim">{store.nameOf(note.series).name}</span>}
                <button type="button" class="a" onClick={() => (store.draft.value = note)}>
                  change
                </button>
                <button type="button" class="a" onClick={() => void remove(note)}>
                  delete
                </button>
              </p>
            </li>
          ))}
        </ul>
      </div>
    </section>
  );
}

function Form() {
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => field.current?.focus(), []);
  const draft = store.draft.value;
  if (!draft) return null;
  return (
    <form
      class="card"
      onSubmit={(event) => {
        event.preventDefault();
        void keep(field.current?.value ?? "");
      }}
    >
      <label>
        <span class="dim">
          {day(draft.time_ms)} {clock(draft.time_ms)}
          {draft.end_ms !== null && ` to ${clock(draft.end_ms)}`}
          {draft.series && ` · ${store.nameOf(draft.series).name}`}
        </span>
        <textarea
          ref={field}
          rows={3}
          maxLength={4000}
          defaultValue={draft.text}
          aria-label="Text of the note"
          onKeyDown={(event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void keep(event.currentTarget.value);
            else if (event.key === "Escape") store.draft.value = null;
            else return;
            event.preventDefault();
            event.stopPropagation();
          }}
        />
      </label>
      <p class="acts">
        <button type="submit" class="btn">
          Keep
        </button>
        <button type="button" class="btn" onClick={() => (store.draft.value = null)}>
          Discard
        </button>
      </p>
    </form>
  );
}
