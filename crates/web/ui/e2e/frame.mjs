// FGMF version 1, written the short way: integers as enc 1, other samples as enc 3, buckets as enc 5.

const pad8 = (buffer, fill) => Buffer.concat([buffer, Buffer.alloc((8 - (buffer.length % 8)) % 8, fill)]);

function shuffle(values, Kind) {
  const bytes = new Uint8Array(Kind.from(values).buffer);
  const { BYTES_PER_ELEMENT: width } = Kind;
  const out = Buffer.alloc(bytes.length);
  for (let i = 0; i < values.length; i++) {
    for (let part = 0; part < width; part++) out[part * values.length + i] = bytes[i * width + part];
  }
  return out;
}

function integers(values) {
  const bytes = [];
  let before = 0n;
  for (const value of values) {
    const difference = BigInt(value) - before;
    before = BigInt(value);
    let zigzag = difference < 0n ? -2n * difference - 1n : 2n * difference;
    for (; zigzag >= 128n; zigzag >>= 7n) bytes.push(Number(zigzag & 127n) | 128);
    bytes.push(Number(zigzag));
  }
  return Buffer.from(bytes);
}

function exact(values) {
  const present = values.filter((value) => !Number.isNaN(value));
  if (!present.every(Number.isInteger)) return { enc: 3, block: shuffle(values, Float64Array), gaps: [] };
  const gaps = [];
  values.forEach((value, i) => {
    if (!Number.isNaN(value)) return;
    const last = gaps.at(-1);
    if (last && last[0] + last[1] === i) last[1] += 1;
    else gaps.push([i, 1]);
  });
  return { enc: 1, block: integers(present), gaps };
}

/** The frame of one metric; slots of `bucket` seconds on a grid aligned to the epoch. */
export function encodeFrame({ metric, info, containers, start, end, bucket, raw, value }) {
  const from = raw ? Math.ceil(start / 1000) : Math.floor(start / 1000 / bucket) * bucket;
  const n = Math.max(0, Math.floor((end / 1000 - from) / bucket) + 1);
  const blocks = [];
  let off = 0;
  const series = [];
  for (const container of containers) {
    const low = [];
    const high = [];
    const all = [];
    for (let slot = 0; slot < n; slot++) {
      let min = Number.NaN;
      let max = Number.NaN;
      for (let second = from + slot * bucket; second < from + (slot + 1) * bucket; second++) {
        if (second * 1000 > end) break;
        const one = value(metric, container, second);
        if (one === null) continue;
        all.push(one);
        if (!(one >= min)) min = one;
        if (!(one <= max)) max = one;
      }
      low.push(min);
      high.push(max);
    }
    if (all.length === 0) continue;
    const { enc, block, gaps } = raw
      ? exact(high)
      : { enc: 5, block: Buffer.concat([shuffle(low, Float32Array), shuffle(high, Float32Array)]), gaps: [] };
    const sorted = [...all].sort((a, b) => a - b);
    series.push({
      id: container.id, enc, off, len: block.length, gaps, breaks: [],
      min: sorted[0], max: sorted.at(-1), last: all.at(-1),
      avg: all.reduce((sum, one) => sum + one, 0) / all.length,
      p99: sorted[Math.max(0, Math.ceil(sorted.length * 0.99) - 1)],
    });
    const padded = pad8(block, 0);
    blocks.push(padded);
    off += padded.length;
  }
  const header = {
    metric, unit: info.unit, kind: info.kind, t0: from * 1000, step: bucket * 1000, n,
    agg: raw ? "raw" : "minmax", form: "raw", sealed: null, generation: "0",
    matched: series.length, returned: series.length, by: "p99", body: off, series,
  };
  const text = pad8(Buffer.from(JSON.stringify(header)), " ");
  const head = Buffer.alloc(16);
  head.write("FGMF");
  head.writeUInt16LE(1, 4);
  head.writeUInt32LE(text.length, 8);
  return Buffer.concat([head, text, ...blocks]);
}
