// The line above a panel: what it shows, how, and what can be done with it.

import { quantileName } from "../data/stats";
import type { Metric } from "../data/types";
import { formatSpan, unitWords } from "../data/units";
import { reading } from "../plot/hit";
import * as actions from "../state/actions";
import { frameOf, subjectOf } from "../state/groups";
import { colouredOf, LINES_AT_MOST, ranking } from "../state/look";
import * as store from "../state/store";
import { duration } from "../state/time";
import { png, samples } from "./exports";
import { Menu } from "./Menu";

interface Props {
  readonly metric: Metric;
  readonly flags: string;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

const FLAGS: readonly { readonly flag: string; readonly text: string; readonly help: string }[] = [
  { flag: "d", text: "Density", help: "How many lines lie where (E)" },
  { flag: "s", text: "Stack", help: "One on top of the other" },
  { flag: "u", text: "Σ sum", help: "All added up" },
  { flag: "o", text: "log", help: "By the logarithm (O)" },
];

export function PanelHead({ metric, flags, isFirst, isLast }: Props) {
  const isGroup = store.groupById.value.has(metric.id);
  const isMax = store.maximised.value === metric.id;
  const share = actions.shareOf(metric.id);
  return (
    <div class="t">
      <h2 title={metric.help}>{metric.title}</h2>
      <span class="sub">{isGroup ? aboutGroup(metric) : about(metric)}</span>
      <span class="sp" />
      <Readout metric={metric} />
      {!isGroup &&
        FLAGS.map(({ flag, text, help }) => (
          <button
            key={flag}
            type="button"
            class={`flag ${flags.includes(flag) ? "on" : ""}`}
            aria-pressed={flags.includes(flag)}
            title={help}
            onClick={() => actions.toggleFlag(metric.id, flag)}
          >
            {text}
          </button>
        ))}
      <button
        type="button"
        aria-label={isMax ? `${metric.title}: back to its place` : `${metric.title}: fill the column`}
        aria-pressed={isMax}
        onClick={() => (store.maximised.value = isMax ? null : metric.id)}
      >
        ⤢
      </button>
      <Menu
        label={`${metric.title}: more`}
        text="⋯"
        commands={[
          { label: "Table of the numbers", run: () => (store.tableOf.value = metric.id) },
          ...(share === null ? [] : [{ label: "As a share of the limit, or not", hint: "%", run: () => actions.toggleShare(metric.id) }]),
          ...(isGroup ? [] : [{ label: "Heat map of this", run: () => actions.showHeat({ metric: metric.id, sort: "p99" }) }]),
          { label: "Save as picture", hint: "G", run: () => png(metric) },
          { label: "Download samples as CSV", run: () => samples("csv", [metric.id]) },
          { label: "Move up", disabled: isFirst, run: () => actions.movePanel(metric.id, -1) },
          { label: "Move down", disabled: isLast, run: () => actions.movePanel(metric.id, 1) },
        ]}
      />
      <button type="button" aria-label={`Take ${metric.title} off`} onClick={() => actions.togglePanel(metric.id)}>
        ✕
      </button>
    </div>
  );
}

function about(metric: Metric): string {
  const rows = ranking(metric.id);
  const frame = frameOf(metric.id);
  const parts = [unitWords(metric.unit)];
  if (rows.length > 0) parts.push(`${rows.length} container${rows.length === 1 ? "" : "s"}`);
  if (rows.length > LINES_AT_MOST) parts.push(`top ${colouredOf(rows.length)} coloured`);
  if (frame && frame.matched > frame.series.length) {
    parts.push(`top ${frame.series.length} of ${frame.matched} by ${quantileName("p99", frame.quantilesOf)}; refine the filter`);
  }
  if (frame && rows.length > 0) parts.push(`${duration(frame.step)}${frame.reduced ? " min…max" : ""}`);
  return parts.filter(Boolean).join(" · ");
}

function aboutGroup(metric: Metric): string {
  const id = subjectOf(metric.id);
  const { focus } = store.view.value;
  if (id === null) return unitWords(metric.unit);
  const { name, place } = store.nameOf(id);
  const why = focus.length > 0 ? "focused" : "the largest; focus another";
  return `${place ? `${place}/` : ""}${name} · ${why}`;
}

/** What the emphasised container has in this panel, at the crosshair or now. */
function Readout({ metric }: { metric: Metric }) {
  const frame = frameOf(metric.id);
  if (store.groupById.value.has(metric.id)) return <Legend metric={metric} />;
  const id = store.emphasised.value;
  const column = id === null ? undefined : frame?.series.find((one) => one.id === id);
  if (id === null || !frame || !column) return null;
  const time = store.cursor.value?.time ?? frame.t0 + (frame.n - 1) * frame.step;
  const value = reading(column, frame, time);
  return (
    <span class="readout">
      <i class="sw" style={{ background: store.colours.of(id, store.themeName.value) }} />
      {store.nameOf(id).name} <b>{value ? formatSpan(value.low, value.high, metric.unit) : "no sample"}</b>
    </span>
  );
}

/** The parts of a whole, each with its value at the crosshair. */
function Legend({ metric }: { metric: Metric }) {
  const frame = frameOf(metric.id);
  if (!frame) return null;
  const time = store.cursor.value?.time ?? frame.t0 + (frame.n - 1) * frame.step;
  return (
    <span class="legend">
      {frame.series.map((column) => {
        const value = reading(column, frame, time);
        return (
          <span key={column.id}>
            <i class="sw" style={{ background: store.colours.of(column.id, store.themeName.value) }} />
            {store.nameOf(column.id).name.replace(/ memory$/i, "")}{" "}
            <b>{value ? formatSpan(value.high, value.high, metric.unit) : "–"}</b>
          </span>
        );
      })}
    </span>
  );
}
