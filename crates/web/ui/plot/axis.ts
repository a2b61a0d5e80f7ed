// The value axis: where it ends, where its ticks are, how they are written; and the words of the
// time axis. Pure.

import { digits, formatValue, scaleFor } from "../data/units";
import { clock, day } from "../state/time";

export interface ValueAxis {
  readonly min: number;
  readonly max: number;
  readonly ticks: readonly number[];
  readonly labels: readonly string[];
}

/** What an axis shows at least, so that noise near zero does not look like a storm. */
const LEAST: Readonly<Record<string, number>> = {
  millicores: 10,
  percent: 10,
  bytes: 64 * 1024,
  bytes_per_s: 1024,
  usec_per_s: 1000,
  per_s: 1,
  count: 4,
  thousandths: 1000,
};

const NICE = [1, 2, 2.5, 5, 10];

/** An axis from 0 (or below) to a round number above `highest`, with about one tick per 34 px. */
export function valueAxis(lowest: number, highest: number, unit: string, heightPx: number): ValueAxis {
  const top = Math.max(highest * 1.04, LEAST[unit] ?? 1);
  const bottom = Math.min(0, lowest);
  const { divisor, suffix } = scaleFor(unit, top);
  const wanted = Math.max(2, Math.min(6, Math.round(heightPx / 34)));
  const rough = (top - bottom) / divisor / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const nice = NICE.find((step) => step * power >= rough * 0.999) ?? 10;
  // Things are not counted in halves.
  const whole = unit === "count" && divisor === 1;
  const step = (whole ? Math.max(1, Math.ceil(nice * power)) : nice * power) * divisor;
  const first = Math.floor(bottom / step);
  let last = Math.ceil(top / step - 1e-9);
  // A share that stays below the whole is judged against the whole.
  if (unit === "percent" && last * step > 100 && highest <= 100) last = Math.floor(100 / step);
  const max = unit === "percent" && highest <= 100 ? Math.min(Math.max(last * step, top), 100) : last * step;
  const ticks: number[] = [];
  for (let i = first; i <= last; i++) ticks.push(i * step);
  const labels = ticks.map((tick, i) =>
    i === ticks.length - 1 ? digits(tick / divisor) + suffix.replace(/^ (?=[%m]$)/, "") : digits(tick / divisor),
  );
  return { min: first * step, max, ticks, labels };
}

/** The least that a logarithmic axis tells from nothing, in shares of its top. */
const DECADES = 5;

/** What a value is on a logarithmic axis whose highest value is `highest`: nothing lies at its foot. */
export function toLog(value: number, highest: number): number {
  return Math.log10(Math.max(value, highest / 10 ** DECADES));
}

/** An axis by the logarithm, with a tick per decade. */
export function logAxis(lowest: number, highest: number, unit: string): ValueAxis {
  const top = Math.max(highest, 1e-3);
  const floor = Math.max(lowest, top / 10 ** DECADES);
  const min = Math.floor(Math.log10(floor));
  const max = Math.max(min + 1, Math.log10(top * 1.2));
  const ticks: number[] = [];
  for (let power = min; power <= max; power++) ticks.push(power);
  return { min, max, ticks, labels: ticks.map((power) => formatValue(10 ** power, unit)) };
}

/** The words below the ticks of the time axis, `every` ms apart; a new day is named. */
export function timeLabels(ticks: readonly number[], every: number): string[] {
  let today = "";
  return ticks.map((tick) => {
    const date = day(tick);
    const midnight = clock(tick) === "00:00:00";
    const text =
      every >= 86_400_000 || (midnight && today !== "" && today !== date)
        ? date
        : clock(tick, every < 60_000);
    today = date;
    return text;
  });
}
