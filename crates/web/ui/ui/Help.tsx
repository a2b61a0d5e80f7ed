// All keys and gestures, made from the list that handles them.

import { useEffect, useRef } from "preact/hooks";
import { helpOpen } from "../state/store";
import { PLOT_KEYS, POINTER, SHORTCUTS } from "./keys";

export function Help() {
  const dialog = useRef<HTMLDialogElement>(null);
  const open = helpOpen.value;
  useEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  return (
    <dialog
      ref={dialog}
      class="help"
      aria-labelledby="help-head"
      onClose={() => {
        helpOpen.value = false;
      }}
      onClick={(event) => {
        // A click on the backdrop lands on the dialog itself.
        if (event.target === event.currentTarget) helpOpen.value = false;
      }}
    >
      <div>
        <h2 id="help-head">Keys and gestures</h2>
        <dl>
          {[...SHORTCUTS, ...PLOT_KEYS, ...POINTER].map(({ label, help }) => (
            <div key={label}>
              <dt>
                <kbd>{label}</kbd>
              </dt>
              <dd>{help}</dd>
            </div>
          ))}
        </dl>
        <form method="dialog">
          <button type="submit" class="btn">
            Close
          </button>
        </form>
      </div>
    </dialog>
  );
}
