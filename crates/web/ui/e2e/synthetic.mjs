// Invented containers whose every value is a function of container, metric and time, so that a
// test knows what must be on the screen.

const noise = (seed) => {
  let x = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
};
/** Smooth noise with a knot every `every` seconds. */
const wander = (second, seed, every) => {
  const knot = Math.floor(second / every);
  const f = (second % every) / every;
  const ease = f * f * (3 - 2 * f);
  return noise(knot * 7919 + seed) * (1 - ease) + noise((knot + 1) * 7919 + seed) * ease;
};

const MIB = 2 ** 20;
const KINDS = [
  // name, namespace, QoS, CPU base, period of bursts, memory MiB, limit MiB, quota millicores
  ["agent", "datadog", "Burstable", 420, 60, 410, 512, 600],
  ["trace-agent", "datadog", "Burstable", 260, 60, 230, 512, 500],
  ["checkout", "shop", "Burstable", 210, 0, 300, 640, 400],
  ["cart-redis", "shop", "Guaranteed", 90, 0, 180, 256, 250],
  ["frontend", "shop", "Burstable", 150, 300, 120, 256, null],
  ["postgres", "shop", "Guaranteed", 180, 0, 520, 1024, 1000],
  ["process-agent", "datadog", "Burstable", 70, 30, 90, 256, null],
  ["search", "shop", "Burstable", 120, 0, 260, null, null],
  ["payments", "shop", "Guaranteed", 100, 0, 180, 256, 300],
  ["worker-0", "shop", "BestEffort", 60, 20, 140, null, null],
  ["worker-1", "shop", "BestEffort", 55, 20, 130, null, null],
  ["coredns", "kube-system", "Burstable", 12, 0, 40, 170, null],
  ["kube-proxy", "kube-system", "BestEffort", 6, 0, 32, null, null],
  ["mailer", "shop", "BestEffort", 30, 0, 60, null, null],
];

/** What a name may hold at worst. */
export const MARKUP = `<img src=x onerror="globalThis.struck=1"><script>globalThis.struck=1</script>`;

/** Every name of theirs is markup. */
export const struck = (container) => ({
  ...container,
  name: `${MARKUP}${container.i}`,
  namespace: `<b>${container.namespace}</b>`,
});

/** `count` containers; beyond the named ones small anonymous ones. */
export function makeContainers(count, plain = false) {
  return Array.from({ length: count }, (_, i) => {
    const kind = KINDS[i] ?? [`job-${i}`, "batch", "BestEffort", 4 + noise(i) * 40, i % 5 ? 0 : 60, 20 + noise(i) * 60, null, null];
    const [name, namespace, qos, cpu, period, memory, limit, quota] = kind;
    const id = (0xa00000000000 + i * 0x1f3d5b).toString(16).padStart(12, "0");
    return { id, i, name, namespace: plain ? null : namespace, qos: plain ? null : qos, cpu, period, memory, limit, quota };
  });
}

/** A spike of one sample, off every grid, that must be seen at every zoom. */
export const SPIKE = { container: 8, everySeconds: 1847, millicores: 1450, pids: 90 };
/** Whether it has one in that second; of all spikes `only` may be left. */
let only = null;
export const leaveSpike = (second) => {
  only = second;
};
const isSpike = ({ i }, second) =>
  i === SPIKE.container && (only === null ? second % SPIKE.everySeconds === 613 : second === only);

function usage(container, second) {
  const { i, cpu, period, quota } = container;
  if (isSpike(container, second)) return SPIKE.millicores;
  let value = cpu * (0.55 + 0.5 * wander(second, i, 40) + 0.35 * wander(second, i + 99, 7) + 0.1 * noise(second * 31 + i));
  const phase = (second + i * 3) % (period || 1);
  if (period && phase >= 5 && phase < 5 + period * 0.2) value += cpu * (0.5 + 0.3 * noise(second + i));
  return Math.min(quota ?? Infinity, value);
}

const METRICS = {
  cpu_usage_millicores: (c, s) => Math.round(usage(c, s)),
  cpu_throttled_percent: (c, s) => {
    if (c.quota === null) return null;
    const over = usage({ ...c, quota: null }, s) / c.quota;
    return over > 0.85 ? Math.min(100, (over - 0.85) * 160 + 8 * noise(s + c.i)) : 0;
  },
  cpu_quota_usec: (c) => (c.quota === null ? null : c.quota * 100),
  cpu_period_usec: (c) => (c.quota === null ? null : 100_000),
  cpu_psi_some_percent: (c, s) => 12 * wander(s, c.i + 5, 20) ** 3,
  memory_current: (c, s) => {
    if (c.name === "cart-redis") return Math.round((70 + 186 * ((s % 900) / 900)) * MIB);
    if (c.name === "checkout") return Math.round((c.memory + (s % 7200) * 0.03) * MIB);
    return Math.round((c.memory + 6 * wander(s, c.i, 90) + noise(s + c.i)) * MIB);
  },
  memory_max: (c) => (c.limit === null ? null : c.limit * MIB),
  memory_psi_some_percent: (c, s) => {
    const near = c.name === "cart-redis" ? Math.max(0, (s % 900) / 900 - 0.75) * 90 : 0;
    return near + (c.memory > 200 ? 1.5 * wander(s, c.i + 3, 11) ** 4 * 4 : 0);
  },
  io_read_bytes: (c, s) => Math.round(wander(s, c.i + 1, 15) ** 5 * 40 * MIB),
  io_write_bytes: (c, s) => Math.round(wander(s, c.i + 2, 9) ** 4 * 9 * MIB),
  pids_current: (c, s) => (isSpike(c, s) ? SPIKE.pids : 3 + (c.i % 17)),
  memory_swap_current: () => null,
};

/** Restarts of cart-redis follow its OOM kills. */
export function eventsOf(containers, startMs, endMs) {
  const list = [];
  const redis = containers[3];
  for (let s = Math.ceil(startMs / 900_000) * 900; redis && s * 1000 <= endMs; s += 900) {
    const base = { id: redis.id, name: redis.name, revision: 0, detail: {} };
    list.push({ ...base, event_id: `oom-${s}`, kind: "oom_kill", time_ms: s * 1000 });
    list.push({ ...base, event_id: `restart-${s}`, kind: "restarted", time_ms: s * 1000 + 2000 });
  }
  const agent = containers[0];
  for (let s = Math.ceil(startMs / 1_380_000) * 1380; agent && s * 1000 <= endMs; s += 1380) {
    list.push({ id: agent.id, name: agent.name, detail: {}, event_id: `thr-${s}`, kind: "throttling_started", time_ms: s * 1000 });
  }
  return list;
}

export const valueOf = (metric, container, second) => METRICS[metric]?.(container, second) ?? null;
export const knows = (metric) => metric in METRICS;
