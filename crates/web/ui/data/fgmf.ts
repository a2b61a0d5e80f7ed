// FGMF version 1, the frame in which series arrive: 16 bytes of head, a JSON header, typed blocks.
// The format is described where it is written (the viewer's `fgmf` module); its test vectors are ours.

/** A plane of values, one per slot; NaN = no data. */
export type Plane = Float32Array | Float64Array;

/** What the server says of a series over the asked range. */
export interface Summary {
  readonly min: number | null;
  readonly max: number | null;
  readonly avg: number | null;
  readonly p99: number | null;
  readonly last: number | null;
}

/** One series: the extremes of each slot. `low` and `high` are one array where they are equal. */
export interface Column extends Summary {
  readonly id: string;
  readonly low: Plane;
  readonly high: Plane;
  /** Slots before which the line is not joined: another life of the container. */
  readonly breaks: readonly number[];
}

/** One metric over one grid of slots; slot `i` begins at `t0 + i * step` (ms). */
export interface Frame {
  readonly metric: string;
  readonly unit: string;
  readonly t0: number;
  readonly step: number;
  readonly n: number;
  /** Whether a slot is a bucket of several samples rather than one sample. */
  readonly reduced: boolean;
  /** Series that the selection matched and that had data. */
  readonly matched: number;
  /** What quantiles are made of: `samples`, or over roll-ups `max_60s` or `max_600s`. */
  readonly quantilesOf: string;
  readonly series: readonly Column[];
}

/** The bytes are not what they should be. */
export class FrameError extends Error {
  override name = "FrameError";
}

interface Entry extends Summary {
  readonly id: string;
  readonly enc: number;
  readonly off: number;
  readonly len: number;
  readonly scale?: number;
  readonly gaps?: readonly (readonly [from: number, count: number])[];
  readonly breaks?: readonly number[];
}

interface Header {
  readonly metric: string;
  readonly unit: string;
  readonly t0: number;
  readonly step: number;
  readonly n: number;
  readonly body?: number;
  readonly matched?: number;
  readonly quantiles_of?: string;
  /** What 0 and 65534 of a heat map mean. */
  readonly scale?: readonly [low: number, high: number];
  readonly series: readonly Entry[];
}

const HEAD_BYTES = 16;
const MAGIC = 0x464d_4746; // "FGMF" read as a little-endian number.

const roundUp = (bytes: number): number => Math.ceil(bytes / 8) * 8;

/** Every frame in `buffer`, in order. */
export function decodeFrames(buffer: ArrayBuffer): Frame[] {
  const frames: Frame[] = [];
  let at = 0;
  while (at < buffer.byteLength) {
    if (buffer.byteLength - at < HEAD_BYTES) throw new FrameError("a frame is cut off in its head");
    const view = new DataView(buffer, at);
    if (view.getUint32(0, true) !== MAGIC) throw new FrameError("not a frame");
    const version = view.getUint16(4, true);
    if (version !== 1) throw new FrameError(`frame version ${version} is unknown: reload the page`);
    const headerBytes = view.getUint32(8, true);
    const bodyAt = at + HEAD_BYTES + headerBytes;
    if (bodyAt > buffer.byteLength) throw new FrameError("a frame is cut off in its header");
    const text = new TextDecoder().decode(new Uint8Array(buffer, at + HEAD_BYTES, headerBytes));
    const header = JSON.parse(text) as Header;
    const bodyBytes =
      header.body ??
      roundUp(header.series.reduce((end, { off, len }) => Math.max(end, off + len), 0));
    if (bodyAt + bodyBytes > buffer.byteLength) throw new FrameError("a frame is cut off");
    const body = new Uint8Array(buffer, bodyAt, bodyBytes);
    frames.push(decodeFrame(header, body));
    at = bodyAt + bodyBytes;
  }
  return frames;
}

function decodeFrame(header: Header, body: Uint8Array): Frame {
  const { metric, unit, t0, step, n } = header;
  const series = header.series.map((entry): Column => {
    const block = body.subarray(entry.off, entry.off + entry.len);
    if (block.length !== entry.len) throw new FrameError(`series ${entry.id} is cut off`);
    const [low, high = low] = planes(entry, block, n, header.scale);
    const { id, min, max, avg, p99, last } = entry;
    return { id, low, high, breaks: entry.breaks ?? [], min, max, avg, p99, last };
  });
  const reduced = header.series.some(({ enc }) => enc === 5);
  const quantilesOf = header.quantiles_of ?? "samples";
  return { metric, unit, t0, step, n, reduced, matched: header.matched ?? series.length, quantilesOf, series };
}

function planes(
  entry: Entry,
  block: Uint8Array,
  n: number,
  scale: readonly [low: number, high: number] = [0, 0],
): [Plane, Plane?] {
  switch (entry.enc) {
    case 0: {
      if (block.length !== 8) throw new FrameError(`series ${entry.id} is no constant`);
      const value = new DataView(block.buffer, block.byteOffset).getFloat64(0, true);
      return [spread(entry, n, () => value)];
    }
    case 1:
      return [spread(entry, n, integers(entry.id, block, 1))];
    case 2:
      return [spread(entry, n, integers(entry.id, block, entry.scale ?? 1))];
    case 3: {
      checkLength(entry, 8 * n);
      return [new Float64Array(unshuffle(block, n, 8))];
    }
    case 4: {
      checkLength(entry, 4 * n);
      return [new Float32Array(unshuffle(block, n, 4))];
    }
    case 5: {
      checkLength(entry, 8 * n);
      const low = new Float32Array(unshuffle(block.subarray(0, 4 * n), n, 4));
      const high = new Float32Array(unshuffle(block.subarray(4 * n), n, 4));
      return [low, high];
    }
    case 6: {
      checkLength(entry, 2 * n);
      return [cells(block, n, scale)];
    }
    default:
      throw new FrameError(`encoding ${entry.enc} is unknown: reload the page`);
  }
}

function checkLength(entry: Entry, bytes: number): void {
  if (entry.len !== bytes) throw new FrameError(`series ${entry.id} has ${entry.len} bytes, not ${bytes}`);
}

const NO_DATA = 0xffff;

/** A row of a heat map. */
function cells(block: Uint8Array, n: number, [low, high]: readonly [number, number]): Float32Array {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const unit = (high - low) / (NO_DATA - 1);
  const values = new Float32Array(n);
  for (let i = 0; i < n; i++) {
    const cell = view.getUint16(2 * i, true);
    values[i] = cell === NO_DATA ? Number.NaN : low + cell * unit;
  }
  return values;
}

/** Puts the present values into their slots and NaN into the others. */
function spread(entry: Entry, n: number, next: () => number): Float64Array {
  const values = new Float64Array(n);
  let slot = 0;
  for (const [from, count] of [...(entry.gaps ?? []), [n, 0] as const]) {
    if (from < slot || from + count > n) throw new FrameError(`series ${entry.id} has wrong gaps`);
    for (; slot < from; slot++) values[slot] = next();
    values.fill(Number.NaN, from, from + count);
    slot = from + count;
  }
  return values;
}

/** Reads zigzag LEB128 differences. In doubles, since a value may take 53 bits. */
function integers(id: string, block: Uint8Array, scale: number): () => number {
  let at = 0;
  let sum = 0;
  return () => {
    let value = 0;
    let weight = 1;
    for (;;) {
      const byte = block[at++];
      if (byte === undefined) throw new FrameError(`series ${id} ends early`);
      value += (byte & 0x7f) * weight;
      if (byte < 0x80) break;
      weight *= 128;
    }
    // Exact up to 2^54: halving an even number and an odd one less one lose nothing.
    sum += value % 2 === 1 ? -(value + 1) / 2 : value / 2;
    return sum / scale;
  };
}

/** All first bytes, then all second bytes: back into numbers. */
function unshuffle(block: Uint8Array, n: number, width: number): ArrayBuffer {
  const bytes = new Uint8Array(n * width);
  for (let part = 0; part < width; part++) {
    const from = part * n;
    for (let i = 0, to = part; i < n; i++, to += width) bytes[to] = block[from + i];
  }
  return bytes.buffer;
}
