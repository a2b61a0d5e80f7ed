// The bar on top: whose data, which time, theme, help.

import { useSignal } from "@preact/signals";
import { fit, nextTheme, preset, toggleLive } from "../state/actions";
import { helpOpen, live, meta, newest, range, themeChoice, view } from "../state/store";
import { duration, PRESETS, rangeText, span, zone } from "../state/time";

function Logo() {
  return (
    <svg width="22" height="22" viewBox="0 0 22 22" aria-hidden="true">
      <rect width="22" height="22" rx="5" fill="var(--ac)" />
      <path
        d="M3.5 14h2.2l1.6-6 2.2 9 2.2-12 2 9h1.3l1-3h2.5"
        fill="none"
        stroke="var(--s1)"
        stroke-width="1.7"
        stroke-linejoin="round"
        stroke-linecap="round"
      />
    </svg>
  );
}

function Presets() {
  const { time } = view.value;
  const seconds = "live" in time ? time.live : null;
  return (
    <div class="seg" role="group" aria-label="Last">
      {PRESETS.map((one) => (
        <button
          key={one.label}
          type="button"
          class={one.seconds === seconds ? "on" : ""}
          aria-pressed={one.seconds === seconds}
          onClick={() => preset(one.seconds)}
        >
          {one.label}
        </button>
      ))}
    </div>
  );
}

const STALE_MS = 15_000;

function Live() {
  const on = live.value;
  const late = Date.now() - newest.value;
  const stale = on && newest.value > 0 && late > STALE_MS;
  const title = stale
    ? `The newest sample is ${duration(late)} old`
    : on
      ? "Follows the newest sample; L holds the picture"
      : "L follows the newest sample";
  return (
    <button
      type="button"
      class={`btn live ${on ? (stale ? "stale" : "going") : ""}`}
      aria-pressed={on}
      title={title}
      onClick={toggleLive}
    >
      <i aria-hidden="true" />
      {stale ? "Stale" : "Live"}
    </button>
  );
}

/** Copies the address; on plain http beyond this machine browsers offer no clipboard. */
function CopyLink() {
  const done = useSignal(false);
  const shown = useSignal(false);
  const copy = async (): Promise<void> => {
    if (!navigator.clipboard) {
      shown.value = !shown.peek();
      return;
    }
    try {
      await navigator.clipboard.writeText(location.href);
      done.value = true;
      setTimeout(() => {
        done.value = false;
      }, 1500);
    } catch {
      shown.value = true;
    }
  };
  return (
    <span class="copy">
      <button type="button" class="btn" title="Copy a link to exactly this view" onClick={() => void copy()}>
        {done.value ? "Copied" : "Link"}
      </button>
      {shown.value && (
        <input
          class="link"
          readOnly
          value={location.href}
          aria-label="Link to this view"
          ref={(element) => element?.select()}
          onBlur={() => {
            shown.value = false;
          }}
        />
      )}
    </span>
  );
}

const THEMES = { auto: "Theme follows the system", light: "Light theme", dark: "Dark theme" };

export function Header() {
  const shown = range.value;
  return (
    <header class="top">
      <h1 class="logo">
        <Logo />
        Fine-Grained Monitor
      </h1>
      {meta.value?.node && (
        <span class="node" title={`Node ${meta.value.node}`}>
          node <b>{meta.value.node}</b>
        </span>
      )}
      <span class="sp" />
      <Presets />
      <button
        type="button"
        class="btn range"
        title={`${zone(shown.end)}. Click: everything stored (F)`}
        onClick={fit}
      >
        {newest.value > 0 ? rangeText(shown) : "…"} <span class="dim">{duration(span(shown))}</span>
      </button>
      <Live />
      <CopyLink />
      <button
        type="button"
        class="btn icon"
        id="theme"
        title={`${THEMES[themeChoice.value]} (T)`}
        aria-label={`Theme: ${themeChoice.value}`}
        onClick={nextTheme}
      >
        {{ auto: "◐", light: "☀", dark: "☾" }[themeChoice.value]}
      </button>
      <button
        type="button"
        class="btn icon"
        title="Keys and gestures (?)"
        aria-label="Keys and gestures"
        aria-expanded={helpOpen.value}
        onClick={() => {
          helpOpen.value = !helpOpen.peek();
        }}
      >
        ?
      </button>
    </header>
  );
}
