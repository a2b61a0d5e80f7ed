import assert from "node:assert/strict";
import { test } from "node:test";
import { pixel, Raster, rgb } from "../plot/raster";
import { Spans } from "../plot/spans";
import { random } from "./random";

// What a browser has and Node has not.
class Sheet {
  readonly data: Uint8ClampedArray;
  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.data = new Uint8ClampedArray(width * height * 4);
  }
}
Object.assign(globalThis, { ImageData: Sheet });

const WIDTH = 40;
const HEIGHT = 30;

function spans(of: (x: number) => readonly [top: number, bottom: number]): Spans {
  const made = new Spans();
  made.reset(WIDTH);
  for (let x = 0; x < WIDTH; x++) {
    const [top, bottom] = of(x);
    made.extend(x, top, bottom);
  }
  return made;
}

const at = (image: { readonly data: Uint8ClampedArray }, x: number, y: number): readonly number[] =>
  [...image.data.slice((y * WIDTH + x) * 4, (y * WIDTH + x) * 4 + 4)];

test("colours are read long and short", () => {
  assert.deepEqual(rgb("#67acf7"), [0x67, 0xac, 0xf7]);
  assert.deepEqual(rgb("#fff"), [255, 255, 255]);
  assert.deepEqual(rgb("#1aF"), [0x11, 0xaa, 0xff]);
});

test("a pixel is as dense as lines cross it", () => {
  const { next } = random(7);
  const crowd = Array.from({ length: 50 }, () =>
    spans(() => {
      const top = next() * 50 - 10;
      // Some lie outside, some are not there.
      return next() < 0.1 ? [Infinity, -Infinity] : [top, top + next() * 20];
    }),
  );
  const raster = new Raster();
  for (let round = 0; round < 2; round++) {
    raster.clear(WIDTH, HEIGHT);
    for (const line of crowd) raster.count(line);
    raster.shade([10, 20, 30]);
  }
  const image = raster.finish();
  const opacities = new Map<number, number>();
  for (let x = 0; x < WIDTH; x++) {
    for (let y = 0; y < HEIGHT; y++) {
      const crossing = crowd.filter(({ top, bottom }) => Math.floor(top[x]) <= y && y <= Math.floor(bottom[x])).length;
      const [red, green, blue, alpha] = at(image, x, y);
      if (crossing === 0) {
        assert.equal(alpha, 0);
        continue;
      }
      assert.deepEqual([red, green, blue], [10, 20, 30]);
      assert.equal(alpha, opacities.get(crossing) ?? alpha, `${crossing} lines`);
      opacities.set(crossing, alpha);
    }
  }
  const rising = [...opacities].sort(([a], [b]) => a - b).map(([, alpha]) => alpha);
  assert.ok(rising.length > 5 && rising.every((alpha, i) => i === 0 || alpha > rising[i - 1]));
});

test("a line covers what is below it, and its edges only in part", () => {
  const raster = new Raster();
  raster.clear(WIDTH, HEIGHT);
  raster.count(spans(() => [0, HEIGHT]));
  raster.shade([0, 0, 0]);
  raster.keep();
  const below = at(raster.finish(), 0, 0);
  const line = spans((x) => (x < 20 ? [10, 15] : [12, 12]));
  raster.line(line, [200, 100, 50], 1);
  const image = raster.finish();
  for (let y = 11; y < 15; y++) assert.deepEqual(at(image, 3, y), [200, 100, 50, 255], `row ${y}`);
  const [red, , , alpha] = at(image, 3, 10);
  assert.ok(red > 0 && red < 200 && alpha > below[3] && alpha < 255, `${red} ${alpha}`);
  assert.deepEqual(at(image, 3, 9), below);
  assert.deepEqual(at(image, 30, 12), [200, 100, 50, 255], "a level line is as thick as asked for");
  assert.deepEqual([at(image, 30, 11), at(image, 30, 13)], [below, below]);

  assert.equal(raster.recall(WIDTH, HEIGHT), true);
  assert.deepEqual(at(raster.finish(), 3, 12), below, "what was kept is without the line");
  assert.equal(raster.recall(WIDTH + 1, HEIGHT), false);
});

test("a pixel is what the canvas takes for it", () => {
  const words = Int32Array.of(pixel([1, 2, 3], 255), pixel([250, 0, 128], 7));
  assert.deepEqual([...new Uint8Array(words.buffer)], [1, 2, 3, 255, 250, 0, 128, 7]);
});
