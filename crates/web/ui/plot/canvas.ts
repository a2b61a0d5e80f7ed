// A canvas that fills its element.

/** CSS pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

export const NO_SIZE: Size = { width: 0, height: 0 };

/** Asking the page costs a layout: ask when it tells of another size, and keep the answer. */
export const sizeOf = ({ clientWidth: width, clientHeight: height }: HTMLElement): Size => ({ width, height });

/** A clean sheet of that size, drawn on in CSS pixels; null if nothing can be seen. */
export function blank(canvas: HTMLCanvasElement, { width, height }: Size): CanvasRenderingContext2D | null {
  const ratio = window.devicePixelRatio || 1;
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  const pen = wide > 0 && high > 0 ? canvas.getContext("2d") : null;
  if (!pen) return null;
  if (canvas.width === wide && canvas.height === high) {
    // Another sheet of memory for the same picture would cost more than wiping it.
    pen.reset();
  } else {
    canvas.width = wide;
    canvas.height = high;
  }
  pen.scale(ratio, ratio);
  return pen;
}
