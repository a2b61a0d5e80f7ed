// Numbers with their units, as a person reads them. Pure; unit names are those of the catalogue.

/** How an axis or a column of numbers is written: divide, then add the suffix. */
export interface Scale {
  readonly divisor: number;
  readonly suffix: string;
}

type Steps = readonly (readonly [from: number, divisor: number, suffix: string])[];

const KIB = 1024;
const bytes = (per: string): Steps => [
  [0, 1, ` B${per}`],
  [KIB, KIB, ` KiB${per}`],
  [KIB ** 2, KIB ** 2, ` MiB${per}`],
  [KIB ** 3, KIB ** 3, ` GiB${per}`],
  [KIB ** 4, KIB ** 4, ` TiB${per}`],
];
const counts = (per: string): Steps => [
  [0, 1, per],
  [10_000, 1e3, ` k${per.trim()}`],
  [1e6, 1e6, ` M${per.trim()}`],
  [1e9, 1e9, ` G${per.trim()}`],
];

const UNITS: Readonly<Record<string, Steps>> = {
  millicores: [
    [0, 1, " m"],
    [10_000, 1000, " cores"],
  ],
  bytes: bytes(""),
  bytes_per_s: bytes("/s"),
  percent: [[0, 1, " %"]],
  usec: [
    [0, 1, " µs"],
    [1e3, 1e3, " ms"],
    [1e6, 1e6, " s"],
  ],
  ms: [
    [0, 1, " ms"],
    [1e3, 1e3, " s"],
    [120e3, 60e3, " min"],
  ],
  usec_per_s: [
    [0, 1e3, " ms/s"],
    [1e6, 1e6, " s/s"],
  ],
  ms_per_s: [
    [0, 1, " ms/s"],
    [1e3, 1e3, " s/s"],
  ],
  count: counts(""),
  thousandths: [[0, 1000, ""]],
  per_s: counts(" /s"),
};

/** The scale in which numbers up to `largest` are read best. */
export function scaleFor(unit: string, largest: number): Scale {
  const steps = UNITS[unit] ?? ([[0, 1, unit ? ` ${unit}` : ""]] as Steps);
  const size = Math.abs(largest);
  let pick = steps[0];
  for (const step of steps) if (size >= step[0]) pick = step;
  return { divisor: pick[1], suffix: pick[2] };
}

/** About three significant digits, never an exponent, never a trailing zero. */
export function digits(value: number): string {
  const size = Math.abs(value);
  if (size >= 99.95 || value === 0) return String(Math.round(value));
  if (size < 0.001) return value < 0 ? "−0" : "~0";
  const text = value.toFixed(size >= 9.995 ? 1 : size >= 0.0995 ? 2 : 3);
  return text.replace(/\.?0+$/, "");
}

/** `1.5 GiB`, `65 m`, `12 %`; an en dash where there is no value. */
export function formatValue(value: number | null | undefined, unit: string): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const { divisor, suffix } = scaleFor(unit, value);
  return digits(value / divisor) + suffix;
}

/** By how much something changed. */
export function formatChange(percent: number): string {
  const rounded = Math.round(percent);
  return `${rounded > 0 ? "+" : rounded < 0 ? "−" : ""}${Math.abs(rounded)} %`;
}

/** The cells of a table of numbers: all in the unit that reads best for the largest. */
export function tabulate(
  values: readonly (number | null)[],
  unit: string,
): { readonly unit: string; readonly cell: (value: number | null) => string } {
  const largest = values.reduce<number>((most, value) => Math.max(most, Math.abs(value ?? 0)), 0);
  const { divisor, suffix } = scaleFor(unit, largest);
  return { unit: suffix.trim(), cell: (value) => (value === null ? "–" : digits(value / divisor)) };
}

/** Both ends of what lies under one pixel: one value where they read the same. */
export function formatSpan(low: number, high: number, unit: string): string {
  const top = formatValue(high, unit);
  if (formatValue(low, unit) === top) return top;
  const { divisor } = scaleFor(unit, high);
  return `${digits(low / divisor)}–${top}`;
}

/** The unit as the picker shows it. */
export function unitLabel(unit: string): string {
  const labels: Readonly<Record<string, string>> = {
    millicores: "m",
    bytes: "B",
    bytes_per_s: "B/s",
    percent: "%",
    usec: "µs",
    usec_per_s: "ms/s",
    ms_per_s: "ms/s",
    per_s: "/s",
    count: "",
    thousandths: "",
  };
  return labels[unit] ?? unit;
}

/** The unit in words, for the head of a panel. */
export function unitWords(unit: string): string {
  const words: Readonly<Record<string, string>> = {
    bytes_per_s: "bytes per second",
    usec: "time",
    usec_per_s: "milliseconds per second",
    ms_per_s: "milliseconds per second",
    per_s: "per second",
    ms: "time",
    thousandths: "count",
  };
  return words[unit] ?? unit;
}
