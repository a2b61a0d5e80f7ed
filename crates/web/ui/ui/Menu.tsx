// A button that opens a short list of commands.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

export interface Command {
  readonly label: string;
  readonly run: () => void;
  readonly hint?: string;
  readonly disabled?: boolean;
}

export function Menu({ label, text, commands, kind = "" }: {
  readonly label: string;
  readonly text: string;
  readonly commands: readonly Command[];
  readonly kind?: string;
}) {
  const open = useSignal(false);
  const root = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    if (!open.value) return undefined;
    const away = (event: Event): void => {
      if (!root.current?.contains(event.target as Node)) open.value = false;
    };
    document.addEventListener("pointerdown", away);
    root.current?.querySelector<HTMLElement>("[role=menuitem]")?.focus();
    return () => document.removeEventListener("pointerdown", away);
  }, [open.value]);
  const close = (): void => {
    open.value = false;
    root.current?.querySelector("button")?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Escape") {
      close();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const items = [...(root.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
      const at = items.indexOf(document.activeElement as HTMLElement);
      const by = event.key === "ArrowDown" ? 1 : -1;
      items[(at + by + items.length) % items.length]?.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <span class="menu" ref={root} onKeyDown={open.value ? onKeyDown : undefined}>
      <button
        type="button"
        class={kind}
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={open.value}
        onClick={() => {
          open.value = !open.peek();
        }}
      >
        {text}
      </button>
      {open.value && (
        <span class="list" role="menu" aria-label={label}>
          {commands.map((command) => (
            <button
              key={command.label}
              type="button"
              role="menuitem"
              disabled={command.disabled ?? false}
              onClick={() => {
                close();
                command.run();
              }}
            >
              {command.label}
              {command.hint && <kbd>{command.hint}</kbd>}
            </button>
          ))}
        </span>
      )}
    </span>
  );
}
