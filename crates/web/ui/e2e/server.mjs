// A stand-in for the viewer's API over synthetic containers, so that the page can be tested and
// looked at without a recorder: `node e2e/server.mjs [port]`, then open the address it prints.
// FGM_SYNTHETIC: `cluster` (default), `crowd` (250 containers), `machine` (no pods), `empty`, `hostile` (markup as names),
// `week` (seven days of data).

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { encodeFrame } from "./frame.mjs";
import { catalogue } from "./catalogue.mjs";
import { eventsOf, makeContainers, struck, valueOf } from "./synthetic.mjs";

const LADDER = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
const HOUR_MS = 3600_000;

export function start({ port = 0, kind = process.env.FGM_SYNTHETIC ?? "cluster" } = {}) {
  const dist = process.env.FGM_WEB_DIST ?? fileURLToPath(new URL("../dist", import.meta.url));
  const html = readFileSync(`${dist}/index.html`, "utf8");
  const count = { cluster: 14, crowd: 250, machine: 9, empty: 0 }[kind] ?? 14;
  const made = makeContainers(count, kind === "machine");
  const containers = kind === "hostile" ? made.map(struck) : made;
  const first = Math.floor(Date.now() / 1000) * 1000 - (kind === "week" ? 169 : 3) * HOUR_MS;
  const now = () => Math.floor(Date.now() / 1000) * 1000;
  /** Lets a test break a metric, or cut the server off. */
  const faults = { refuse: new Set(), away: false, noTail: false, hole: null, busyLists: 0, busyHeat: 0, eventInLists: false };
  const tails = new Set();
  const value = (metric, container, second) =>
    faults.hole && second >= faults.hole.from && second < faults.hole.to ? null : valueOf(metric, container, second);

  const matches = (sel) => {
    const terms = sel.trim().split(/\s+/).filter(Boolean);
    return containers.filter((one) =>
      terms.every((term) => {
        const [, key, text] = /^(?:(\w+):)?(.*)$/.exec(term);
        const any = text.toLowerCase().split("|");
        if (key === "ns") return any.includes(one.namespace);
        if (key === "qos") return any.includes(one.qos?.toLowerCase());
        return any.some((part) => one.name.includes(part));
      }),
    );
  };
  const describe = (one) => ({
    id: one.id,
    namespace: one.namespace,
    pod: one.namespace && `${one.name}-7c9f`,
    container: one.name,
    name: one.name,
    qos: one.qos,
    image: one.namespace && `registry.example/${one.namespace}/${one.name}:1.4`,
    cgroup_path: one.namespace ? `/kubepods.slice/pod${one.i}/${one.id}` : `/system.slice/${one.name}.service`,
    first_ms: first,
    last_ms: now(),
    instances: [{ container_id: `c${one.id}`, life: "0", first_ms: first, last_ms: now() }],
  });

  function series(query) {
    const start = Math.max(Number(query.get("start")), first);
    const end = Math.min(Number(query.get("end")), now());
    const px = Number(query.get("px") ?? 800);
    const seconds = Math.max(1, (end - start) / 1000);
    const raw = query.get("agg") === "raw" || seconds <= px;
    const bucket = raw ? 1 : LADDER.find((one) => seconds / one <= px);
    const ids = query.get("ids")?.split(",");
    const chosen = matches(query.get("sel") ?? "").filter(({ id }) => !ids || ids.includes(id));
    return query.get("metric").split(",").map((metric) => {
      const info = catalogue.find(({ id }) => id === metric);
      if (!info || faults.refuse.has(metric)) throw new Error(`metric ${metric} cannot be read here`);
      return encodeFrame({ metric, info, containers: chosen, start, end, bucket, raw, value });
    });
  }

  const json = (response, body, status = 200) => {
    const type = status < 400 ? "application/json" : "application/problem+json";
    response.writeHead(status, { "content-type": type }).end(JSON.stringify(body));
  };

  const busy = (response) => json(response, { title: "too many requests", status: 429 }, 429);

  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://localhost");
    const query = url.searchParams;
    if (faults.away && url.pathname !== "/") return request.socket.destroy();
    switch (url.pathname) {
      case "/": {
        const script = createHash("sha256").update(/<script type="module">([\s\S]*?)<\/script>/.exec(html)[1]).digest("base64");
        const style = createHash("sha256").update(/<style>([\s\S]*?)<\/style>/.exec(html)[1]).digest("base64");
        const csp = `default-src 'none'; script-src 'sha256-${script}'; style-src 'sha256-${style}'; img-src data: blob:; connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`;
        return response.writeHead(200, { "content-type": "text/html; charset=utf-8", "content-security-policy": csp }).end(html);
      }
      case "/api/v1/meta":
        return json(response, {
          node: kind === "machine" ? "workstation" : "kind-worker2",
          recorder: "fgm-7x2kq",
          version: "0.1.0",
          schema: 1,
          first_ms: count ? first : null,
          last_ms: count ? now() : null,
          interval_ms: 1000,
          sealed_until_ms: count ? now() - 60_000 : null,
          live_until_ms: count ? now() : null,
          generation: "0",
          notice: count ? null : "No container, service or scope was found on this machine: its cgroup tree has no leaves.",
          limits: { px: 4096, top: 1000, cells: 20_000_000 },
          bytes: count * 3_400_000,
        });
      case "/api/v1/metrics":
        return json(response, catalogue);
      case "/api/v1/containers": {
        const some = matches(query.get("sel") ?? "");
        if (faults.busyLists > 0) {
          faults.busyLists--;
          return busy(response);
        }
        if (faults.eventInLists) for (const tail of tails) tail.write("event: event\ndata: {}\n\n");
        const answer = () => json(response, { containers: some.map(describe), matched: some.length, total: count });
        // Long enough for the event to arrive first.
        return faults.eventInLists ? setTimeout(answer, 500) : answer();
      }
      case "/api/v1/events":
        return json(response, eventsOf(containers, Math.max(first, Number(query.get("start"))), Math.min(now(), Number(query.get("end")))));
      case "/api/v1/series": {
        try {
          const frames = Buffer.concat(series(query));
          return response.writeHead(200, { "content-type": "application/octet-stream" }).end(frames);
        } catch (error) {
          return json(response, { title: "bad request", status: 400, detail: error.message }, 400);
        }
      }
      case "/api/v1/overview": {
        const info = catalogue.find(({ id }) => id === query.get("metric"));
        const one = containers.slice(0, 1).map((container) => ({ ...container, id: "range" }));
        const bucket = LADDER.find((step) => (now() - first) / 1000 / step <= Number(query.get("px")));
        const spec = { metric: info.id, info, containers: one, start: first, end: now(), bucket, raw: false, value };
        return response.writeHead(200).end(encodeFrame(spec));
      }
      case "/api/v1/heatmap": {
        if (faults.busyHeat > 0) {
          faults.busyHeat--;
          return busy(response);
        }
        const rows = new URLSearchParams(query);
        rows.delete("agg");
        try {
          return response.writeHead(200).end(Buffer.concat(series(rows)));
        } catch (error) {
          return json(response, { title: "bad request", status: 400, detail: error.message }, 400);
        }
      }
      case "/api/v1/rank":
        return json(response, { metric: query.get("metric"), by: "p99", matched: 0, rows: [], base: null });
      case "/api/v1/diff": {
        const [a, b] = ["a", "b"].map((key) => {
          const [start_ms, end_ms] = query.get(key).split("..").map(Number);
          return { start_ms, end_ms };
        });
        return json(response, { a, b, matched: count, appeared: [], vanished: [], rows: [] });
      }
      case "/api/v1/find": {
        const found = matches(query.get("q") ?? "").map(describe);
        return json(response, { containers: found.map((one) => ({ ...one, node: "kind-worker2" })), matched: found.length });
      }
      case "/api/v1/notes":
        return json(response, { notes: [] });
      case "/api/v1/dashboards":
        return json(response, { dashboards: [], skipped: [] });
      case "/api/v1/tail": {
        if (faults.noTail) return json(response, { title: "not found", status: 404 }, 404);
        response.writeHead(200, { "content-type": "text/event-stream" });
        const timer = setInterval(() => {
          if (count) response.write(`event: tick\ndata: {"live_until_ms":${now()}}\n\n`);
        }, 1000);
        tails.add(response);
        return request.on("close", () => {
          clearInterval(timer);
          tails.delete(response);
        });
      }
      default:
        return json(response, { title: "not found", status: 404 }, 404);
    }
  });
  return new Promise((resolve) => {
    server.listen(port, "127.0.0.1", () => {
      const stop = () => {
        server.closeAllConnections();
        server.close();
      };
      resolve({ url: `http://127.0.0.1:${server.address().port}/`, faults, containers, stop });
    });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await start({ port: Number(process.argv[2] ?? 8060) });
  console.log(url);
}
