// Which limit a metric is drawn against. The catalogue names it where it has the metric's own unit;
// the CPU quota is the one that takes two columns.

import type { Column, Frame } from "../data/fgmf";
import type { Metric } from "../data/types";

const QUOTA = "cpu_quota_usec";
const PERIOD = "cpu_period_usec";

/** The metrics to ask for beside `metric`, so that its limit can be drawn. */
export function limitInputs(metric: Metric): readonly string[] {
  if (metric.limit !== null) return [metric.limit];
  return metric.id === "cpu_usage_millicores" ? [QUOTA, PERIOD] : [];
}

/** The limit of the series `id`, in the unit of `metric`; null where it has none. */
export function limitOf(
  metric: Metric,
  frames: (id: string) => Frame | null,
  id: string,
): { column: Column; frame: Frame } | null {
  const [first, second] = limitInputs(metric);
  const frame = first === undefined ? null : frames(first);
  const column = frame?.series.find((one) => one.id === id);
  if (!frame || !column || column.high.every(Number.isNaN)) return null;
  if (second === undefined) return { column, frame };
  const divisor = frames(second)?.series.find((one) => one.id === id);
  if (!divisor) return null;
  const high = Float64Array.from(column.high, (quota, i) => (1000 * quota) / (divisor.high[i] ?? Number.NaN));
  return { column: { ...column, low: high, high }, frame };
}

/** The last value of a limit. */
export function latest(column: Column): number | null {
  for (let i = column.high.length - 1; i >= 0; i--) {
    if (!Number.isNaN(column.high[i])) return column.high[i];
  }
  return null;
}
