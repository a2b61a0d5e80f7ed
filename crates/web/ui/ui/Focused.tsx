// Who is focused, and what it may use.

import type { Container } from "../data/types";
import { formatValue } from "../data/units";
import * as actions from "../state/actions";
import { frameOf } from "../state/groups";
import { latest, limitOf } from "../state/limits";
import * as store from "../state/store";
import { clock, day } from "../state/time";

export function Focused() {
  const id = store.view.value.focus[0];
  if (id === undefined) return null;
  const found = store.containerById.value.get(id);
  const limits = store.panels.value.flatMap(({ metric }) => {
    const known = store.metricById.value.get(metric);
    const limit = known && limitOf(known, frameOf, id);
    return known && limit ? [`${known.title} limit ${formatValue(latest(limit.column), known.unit)}`] : [];
  });
  return (
    <section class="card" aria-labelledby="focus-head">
      <h2 id="focus-head">
        <i class="sw" style={{ background: store.colours.known(id, store.themeName.value) ?? "var(--s3)" }} />
        {found ? store.nameOf(id).name : `Container ${id}`}
        <button type="button" class="a" onClick={() => actions.soloOf(id)} aria-pressed={store.solo.value === id}>
          solo
        </button>
        <button type="button" class="a" onClick={() => actions.focus(id)}>
          let go
        </button>
      </h2>
      {found ? <Facts found={found} limits={limits} /> : <p>Not recorded in this range.</p>}
    </section>
  );
}

function Facts({ found, limits }: { found: Container; limits: readonly string[] }) {
  return (
    <dl>
      {found.namespace && <Fact name="pod" text={`${found.namespace}/${found.pod ?? ""}`} />}
      {found.qos && <Fact name="QoS" text={found.qos} />}
      {found.image && <Fact name="image" text={found.image} />}
      {limits.length > 0 && <Fact name="limits" text={limits.join(", ")} />}
      <Fact name="seen" text={`${day(found.first_ms)} ${clock(found.first_ms)} – ${clock(found.last_ms)}`} />
      {(found.restarts ?? 0) > 0 && <Fact name="restarts" text={String(found.restarts)} />}
      {(found.oom_kills ?? 0) > 0 && <Fact name="OOM" text={`${found.oom_kills} in this range`} />}
      {found.cgroup_path && <Fact name="cgroup" text={found.cgroup_path} />}
    </dl>
  );
}

function Fact({ name, text }: { name: string; text: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd title={text}>{text}</dd>
    </>
  );
}
