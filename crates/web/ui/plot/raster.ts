// Spans to a picture, without the canvas: stroking paths is what makes charts slow. A pixel is one
// number, as the canvas takes it.

import type { Spans } from "./spans";

export type Rgb = readonly [red: number, green: number, blue: number];

/** `#67acf7` as numbers, or `#fff`: style sheets come shortened. */
export function rgb(hex: string): Rgb {
  const digits = hex.length === 4 ? hex.replace(/[0-9a-f]/gi, "$&$&") : hex;
  const at = (i: number): number => Number.parseInt(digits.slice(i, i + 2), 16);
  return [at(1), at(3), at(5)];
}

/** A colour that is there only in part, over another. */
export const mixed = (colour: Rgb, over: Rgb, part: number): Rgb => {
  const of = (i: 0 | 1 | 2): number => Math.round(over[i] + (colour[i] - over[i]) * part);
  return [of(0), of(1), of(2)];
};

/** A pixel of `ImageData` as an `Int32Array` of it has it: browsers run on little-endian machines. */
export function pixel([red, green, blue]: Rgb, alpha: number): number {
  return (alpha << 24) | (blue << 16) | (green << 8) | red;
}

/** Opacity of a pixel that 1, 2, 3 … lines cross. */
const DENSITY = Float32Array.from({ length: 256 }, (_, n) => 0.16 + 0.62 * (1 - 0.86 ** n));

/** What a colour makes of a pixel; neither is multiplied by its opacity. */
function over(below: number, red: number, green: number, blue: number, alpha: number): number {
  const opacity = alpha + (below >>> 24) * (1 / 255) * (1 - alpha);
  const share = alpha / opacity;
  const rest = 1 - share;
  const r = (red * share + (below & 0xff) * rest + 0.5) | 0;
  const g = (green * share + ((below >>> 8) & 0xff) * rest + 0.5) | 0;
  const b = (blue * share + ((below >>> 16) & 0xff) * rest + 0.5) | 0;
  return ((opacity * 255 + 0.5) << 24) | (b << 16) | (g << 8) | r;
}

export class Raster {
  width = 0;
  height = 0;
  private image = new ImageData(1, 1);
  private pixels = new Int32Array(1);
  /** By how many lines each pixel has more than the one above it; one row more than the picture. */
  private changes = new Int16Array(0);
  private kept: Int32Array | null = null;

  /** Empties the picture, at that size. */
  clear(width: number, height: number): void {
    if (width !== this.width || height !== this.height) {
      this.width = width;
      this.height = height;
      this.kept = null;
      this.image = new ImageData(width, height);
      this.pixels = new Int32Array(this.image.data.buffer);
      this.changes = new Int16Array(width * (height + 1));
    } else {
      this.pixels.fill(0);
      this.changes.fill(0);
    }
  }

  /** Keeps what is drawn so far, for pictures that begin with the same. */
  keep(): void {
    if (this.kept) this.kept.set(this.pixels);
    else this.kept = this.pixels.slice();
  }

  /** Begins with what was kept, if it has this size. */
  recall(width: number, height: number): boolean {
    if (!this.kept || width !== this.width || height !== this.height) return false;
    this.pixels.set(this.kept);
    return true;
  }

  /** Counts a line that is one of too many to be told apart. */
  count({ top, bottom }: Spans): void {
    const { width, height, changes } = this;
    for (let x = 0; x < width; x++) {
      const from = Math.max(0, Math.floor(top[x]));
      const to = Math.min(height - 1, Math.floor(bottom[x]));
      if (!(from <= to)) continue;
      changes[from * width + x]++;
      changes[(to + 1) * width + x]--;
    }
  }

  /** Turns what was counted into a shade of `colour`. */
  shade(colour: Rgb): void {
    const { width, height, changes, pixels } = this;
    const shades = Int32Array.from(DENSITY, (alpha) => pixel(colour, Math.round(alpha * 255)));
    const crossing = new Int16Array(width);
    for (let y = 0, at = 0; y < height; y++) {
      for (let x = 0; x < width; x++, at++) {
        const lines = (crossing[x] += changes[at]);
        if (lines > 0) pixels[at] = shades[lines < 256 ? lines : 255];
      }
    }
  }

  /** Draws a line over what is there, smoothed at its upper and lower edge. */
  line(spans: Spans, colour: Rgb, thickness: number): void {
    const { width, height, pixels } = this;
    const [red, green, blue] = colour;
    const solid = pixel(colour, 255);
    for (let x = 0; x < width; x++) {
      let top = spans.top[x];
      let bottom = spans.bottom[x];
      if (!(top <= bottom)) continue;
      // Flat pieces get the full thickness, steep ones only soft ends.
      const grow = Math.max(0.25, (thickness - (bottom - top)) / 2);
      top = Math.max(0, top + 0.5 - grow);
      bottom = Math.min(height, bottom + 0.5 + grow);
      const last = Math.min(height - 1, Math.ceil(bottom) - 1);
      for (let y = Math.floor(top), at = y * width + x; y <= last; y++, at += width) {
        const covered = Math.min(y + 1, bottom) - Math.max(y, top);
        if (covered >= 1) pixels[at] = solid;
        else if (covered > 0) pixels[at] = over(pixels[at], red, green, blue, covered);
      }
    }
  }

  /** The picture, as a canvas takes it. */
  finish(): ImageData {
    return this.image;
  }
}
