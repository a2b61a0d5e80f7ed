// Spans to a picture, without the canvas: stroking paths is what makes charts slow. Colours are
// premultiplied and stored column by column, so that a span is one run of memory.

import type { Spans } from "./spans";

export type Rgb = readonly [red: number, green: number, blue: number];

/** `#67acf7` as numbers. */
export function rgb(hex: string): Rgb {
  const at = (i: number): number => Number.parseInt(hex.slice(i, i + 2), 16);
  return [at(1), at(3), at(5)];
}

/** Opacity of a pixel that 1, 2, 3 … lines cross. */
const DENSITY = Float32Array.from({ length: 256 }, (_, n) => 0.16 + 0.62 * (1 - 0.86 ** n));

export class Raster {
  width = 0;
  height = 0;
  private pixels = new Float32Array(0);
  private counts = new Uint16Array(0);
  private kept: Float32Array | null = null;
  private image = new ImageData(1, 1);

  /** Empties the picture, at that size. */
  clear(width: number, height: number): void {
    if (width !== this.width || height !== this.height) {
      this.width = width;
      this.height = height;
      this.kept = null;
      this.pixels = new Float32Array(width * height * 4);
      this.counts = new Uint16Array(width * height);
      this.image = new ImageData(width, height);
    } else {
      this.pixels.fill(0);
      this.counts.fill(0);
    }
  }

  /** Keeps what is drawn so far, for pictures that begin with the same. */
  keep(): void {
    this.kept = this.pixels.slice();
  }

  /** Begins with what was kept, if it has this size. */
  recall(width: number, height: number): boolean {
    if (!this.kept || width !== this.width || height !== this.height) return false;
    this.pixels.set(this.kept);
    return true;
  }

  /** Counts a line that is one of too many to be told apart. */
  count(spans: Spans): void {
    const { width, height, counts } = this;
    for (let x = 0; x < width; x++) {
      const from = Math.max(0, Math.floor(spans.top[x]));
      const to = Math.min(height - 1, Math.floor(spans.bottom[x]));
      for (let at = x * height + from; at <= x * height + to; at++) counts[at]++;
    }
  }

  /** Turns what was counted into a shade of `colour`. */
  shade([red, green, blue]: Rgb): void {
    const { counts, pixels } = this;
    for (let at = 0; at < counts.length; at++) {
      if (counts[at] === 0) continue;
      const alpha = DENSITY[Math.min(255, counts[at])];
      pixels[at * 4] = red * alpha;
      pixels[at * 4 + 1] = green * alpha;
      pixels[at * 4 + 2] = blue * alpha;
      pixels[at * 4 + 3] = alpha;
    }
  }

  /** Draws a line over what is there, smoothed at its upper and lower edge. */
  line(spans: Spans, [red, green, blue]: Rgb, opacity: number, thickness: number): void {
    const { width, height, pixels } = this;
    for (let x = 0; x < width; x++) {
      let top = spans.top[x];
      let bottom = spans.bottom[x];
      if (!(top <= bottom)) continue;
      // Flat pieces get the full thickness, steep ones only soft ends.
      const grow = Math.max(0.25, (thickness - (bottom - top)) / 2);
      top = Math.max(0, top + 0.5 - grow);
      bottom = Math.min(height, bottom + 0.5 + grow);
      const first = Math.floor(top);
      const last = Math.min(height - 1, Math.ceil(bottom) - 1);
      for (let y = first; y <= last; y++) {
        const covered = Math.min(y + 1, bottom) - Math.max(y, top);
        if (covered <= 0) continue;
        const alpha = covered * opacity;
        const rest = 1 - alpha;
        const at = (x * height + y) * 4;
        pixels[at] = pixels[at] * rest + red * alpha;
        pixels[at + 1] = pixels[at + 1] * rest + green * alpha;
        pixels[at + 2] = pixels[at + 2] * rest + blue * alpha;
        pixels[at + 3] = pixels[at + 3] * rest + alpha;
      }
    }
  }

  /** The picture, as a canvas takes it. */
  finish(): ImageData {
    const { width, height, pixels, image } = this;
    const { data } = image;
    data.fill(0);
    for (let x = 0; x < width; x++) {
      for (let y = 0; y < height; y++) {
        const from = (x * height + y) * 4;
        const alpha = pixels[from + 3];
        if (alpha === 0) continue;
        const to = (y * width + x) * 4;
        data[to] = pixels[from] / alpha;
        data[to + 1] = pixels[from + 1] / alpha;
        data[to + 2] = pixels[from + 2] / alpha;
        data[to + 3] = alpha * 255;
      }
    }
    return image;
  }
}
