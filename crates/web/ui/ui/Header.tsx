// The bar on top: whose data, which time, theme, help.

import { useSignal } from "@preact/signals";
import { fit, nextTheme, openDashboard, preset, toggleCompare, toggleLive, toggleUtc } from "../state/actions";
import {
  dashboards,
  helpOpen,
  live,
  meta,
  metricById,
  newest,
  nodeAt,
  nodes,
  paletteOpen,
  panels,
  range,
  rankedPanel,
  themeChoice,
  view,
} from "../state/store";
import { format } from "../state/url";
import { duration, PRESETS, rangeText, span, zone } from "../state/time";
import { png, samples } from "./exports";
import { Menu } from "./Menu";

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

function picture(): void {
  const metric = metricById.peek().get(rankedPanel.peek() ?? "");
  if (metric) png(metric);
}

const shownMetrics = (): string[] => panels.peek().map(({ metric }) => metric);

/** The node; below a gateway the others as well, each with the same view. */
function NodeName() {
  const node = nodeAt.value ?? meta.value?.node;
  if (!node) return null;
  if (nodeAt.value === null) {
    return (
      <span class="node" title={`Node ${node}`}>
        node <b>{node}</b>
      </span>
    );
  }
  const others = nodes.value.map(({ name, up }) => ({
    label: up ? name : `${name} (away)`,
    disabled: name === node,
    run: () => location.assign(`../${name}/${format({ ...view.peek(), focus: [], cursor: null })}`),
  }));
  const all = { label: "All nodes", run: () => location.assign("../../nodes") };
  return <Menu label={`Node ${node}: others`} text={`node ${node} ▾`} kind="btn" commands={[all, ...others]} />;
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
      <NodeName />
      <button type="button" class="btn cmd" onClick={() => (paletteOpen.value = true)}>
        <span>Search or run a command</span> <kbd>Ctrl K</kbd>
      </button>
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
      <button
        type="button"
        class="btn zone"
        title="UTC or the zone of this browser (Shift Z)"
        aria-label={`Times in ${zone(shown.end)}`}
        onClick={toggleUtc}
      >
        {zone(shown.end)}
      </button>
      <Live />
      <button
        type="button"
        class={`btn ${view.value.compare === null ? "" : "on"}`}
        aria-pressed={view.value.compare !== null}
        title="Lay the range before this one over it (K)"
        onClick={toggleCompare}
      >
        Compare
      </button>
      <Menu label="Views: dashboards" text="Views ▾" kind="btn" commands={dashboards.value.map((one) => ({ label: one.title, run: () => openDashboard(one) }))} />
      <Menu
        label="Export"
        text="Export ▾"
        kind="btn"
        commands={[
          { label: "Samples of these panels as CSV", run: () => samples("csv", shownMetrics()) },
          { label: "Samples of these panels as Parquet", run: () => samples("parquet", shownMetrics()) },
          { label: "Panel as picture", hint: "G", run: picture },
        ]}
      />
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
