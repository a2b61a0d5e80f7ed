import assert from "node:assert/strict";
import { test } from "node:test";
import { formatSpan, formatValue, unitLabel } from "../data/units";
import { catalogue } from "../e2e/catalogue.mjs";
import { valueAxis } from "../plot/axis";

test("numbers carry the unit a person expects", () => {
  const cases: [number, string, string][] = [
    [65, "millicores", "65 m"],
    [1450, "millicores", "1450 m"],
    [12_500, "millicores", "12.5 cores"],
    [0, "bytes", "0 B"],
    [1536, "bytes", "1.5 KiB"],
    [268_435_456, "bytes", "256 MiB"],
    [1.6e9, "bytes", "1.49 GiB"],
    [5_242_880, "bytes_per_s", "5 MiB/s"],
    [5_242_880, "bytes_per_s", "5 MiB/s"],
    [12.34, "percent", "12.3 %"],
    [0.034, "percent", "0.034 %"],
    [99.99, "percent", "100 %"],
    [43_200, "usec", "43.2 ms"],
    [250_000, "usec_per_s", "250 ms/s"],
    [1_250_000, "usec_per_s", "1.25 s/s"],
    [250, "ms_per_s", "250 ms/s"],
    [3.5, "per_s", "3.5 /s"],
    [123_456, "per_s", "123 k/s"],
    [42, "count", "42"],
    [520, "thousandths", "0.52"],
    [0.00001, "percent", "~0 %"],
  ];
  for (const [value, unit, text] of cases) assert.equal(formatValue(value, unit), text);
});

test("no data is a dash, never a zero", () => {
  for (const nothing of [null, undefined, Number.NaN, Infinity]) assert.equal(formatValue(nothing, "bytes"), "–");
});

test("both ends of a bucket are shown where they differ", () => {
  assert.equal(formatSpan(12, 65, "millicores"), "12–65 m");
  assert.equal(formatSpan(65, 65.2, "millicores"), "65–65.2 m");
  assert.equal(formatSpan(65, 65, "millicores"), "65 m");
});

test("every unit of the catalogue is known", () => {
  for (const { unit } of catalogue) {
    assert.ok(!formatValue(1, unit).includes("_"), unit);
    assert.ok(!unitLabel(unit).includes("_"), unit);
  }
});

test("axes hold what they must and end on a tick", () => {
  for (const unit of ["bytes", "percent", "millicores", "count", "per_s", "usec_per_s"]) {
    for (let power = -2; power < 12; power += 0.13) {
      const highest = 10 ** power;
      const axis = valueAxis(0, highest, unit, 140);
      assert.ok(axis.max >= highest * 0.999, `${unit} ${highest}: ${axis.max}`);
      assert.equal(axis.min, 0);
      assert.ok(axis.ticks.length >= 2 && axis.ticks.length <= 9, `${unit} ${highest}: ${axis.ticks.length} ticks`);
      assert.equal(new Set(axis.labels).size, axis.labels.length, `${unit} ${highest}: ${axis.labels.join(" ")}`);
    }
  }
  assert.equal(valueAxis(0, 98, "percent", 140).max, 100);
  assert.ok(valueAxis(-5, 10, "bytes", 140).min <= -5);
});
