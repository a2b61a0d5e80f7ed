import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { decodeFrames, FrameError } from "../data/fgmf";

// Written by the encoder's own tests; `npm test` runs in `crates/web/ui`.
const FOLDER = process.env["FGM_VECTORS"] ?? join("..", "..", "viewer", "tests", "vectors");

interface Truth {
  readonly header: {
    readonly metric: string;
    readonly t0: number;
    readonly step: number;
    readonly n: number;
    readonly matched: number;
    readonly scale?: readonly [number, number];
    readonly series: readonly { readonly id: string; readonly enc: number; readonly breaks: readonly number[] }[];
  };
  /** Per series its planes; null = no data. */
  readonly planes: readonly (readonly (readonly (number | null)[])[])[];
}

const bytes = (name: string): ArrayBuffer => {
  const file = readFileSync(join(FOLDER, `${name}.fgmf`));
  return file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength) as ArrayBuffer;
};
const truth = JSON.parse(readFileSync(join(FOLDER, "fgmf.json"), "utf8")) as Record<string, readonly Truth[]>;
const values = (plane: ArrayLike<number>): (number | null)[] =>
  Array.from(plane, (value) => (Number.isNaN(value) ? null : value));

/** What a cell of a heat map means, as the format says. */
const ofCell = (cell: number, [low, high]: readonly [number, number] = [0, 0]): number | null =>
  cell === 0xffff ? null : Math.fround(low + (cell * (high - low)) / 0xfffe);

for (const [name, frames] of Object.entries(truth)) {
  test(`vector ${name}`, () => {
    const decoded = decodeFrames(bytes(name));
    assert.equal(decoded.length, frames.length);
    decoded.forEach((frame, i) => {
      const { header, planes } = frames[i];
      assert.equal(frame.metric, header.metric);
      assert.deepEqual([frame.t0, frame.step, frame.n], [header.t0, header.step, header.n]);
      assert.equal(frame.matched, header.matched);
      assert.equal(frame.series.length, header.series.length);
      frame.series.forEach((column, at) => {
        assert.equal(column.id, header.series[at].id);
        assert.deepEqual([...column.breaks], [...header.series[at].breaks]);
        if (header.series[at].enc === 6) {
          assert.deepEqual(values(column.high), planes[at][0].map((cell) => ofCell(cell ?? 0xffff, header.scale)));
          return;
        }
        const [low, high = low] = planes[at];
        assert.deepEqual(values(column.low), low);
        assert.deepEqual(values(column.high), high);
      });
    });
  });
}

test("every vector was compared, every encoding seen", () => {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith(".fgmf"));
  assert.deepEqual(files.map((name) => name.replace(".fgmf", "")).sort(), Object.keys(truth).sort());
  const seen = new Set(Object.values(truth).flatMap((list) => list.flatMap((one) => one.header.series.map(({ enc }) => enc))));
  assert.deepEqual([...seen].sort(), [0, 1, 2, 3, 4, 5, 6]);
});

test("a frame cut off anywhere is an error, never wrong data", () => {
  const whole = bytes("two-frames");
  const full = decodeFrames(whole);
  for (let length = 1; length < whole.byteLength; length++) {
    let frames;
    try {
      frames = decodeFrames(whole.slice(0, length));
    } catch (error) {
      assert.ok(error instanceof FrameError || error instanceof SyntaxError, String(error));
      continue;
    }
    assert.equal(frames.length, 1, `cut at ${length}`);
    assert.deepEqual(frames[0], full[0]);
  }
});

test("other versions and other files are refused", () => {
  const other = bytes("empty").slice(0);
  new DataView(other).setUint16(4, 2, true);
  assert.throws(() => decodeFrames(other), /version 2/);
  assert.throws(() => decodeFrames(new TextEncoder().encode("<!doctype html> no frame").buffer as ArrayBuffer), /not a frame/);
});
