// What the page costs on real data: `FGM_URL=http://127.0.0.1:8050/ node e2e/figures.mjs`, with a viewer
// over an hour of 250 containers (`generate-bench-data --scenario realistic --duration 1h`). With
// FGM_LIVE_URL, of a viewer beside a recorder, also how soon a tick is seen.

import { readFileSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { open, plotBox } from "./browser.mjs";

const METRIC = "cpu_usage_millicores";
const STEPS = 20;
const resolve = createRequire(import.meta.url).resolve;

const url = process.env.FGM_URL;
if (!url) {
  console.error("set FGM_URL to a viewer over an hour of 250 containers");
  process.exit(2);
}

const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
const quantile = (list, share) => list.toSorted((a, b) => a - b)[Math.floor((list.length - 1) * share)];
const say = (what, value, target) => console.log(`${what.padEnd(64)} ${value.padStart(12)}  target ${target}`);

/** Seconds that the page's main thread has worked. */
async function worked(session) {
  const { metrics } = await session.send("Performance.getMetrics");
  return metrics.find(({ name }) => name === "TaskDuration").value;
}

/** Milliseconds of the main thread for one of many steps; each is drawn before the next. */
async function perStep(page, step) {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  const before = await worked(session);
  for (let i = 0; i < STEPS; i++) {
    await step(i);
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  }
  return ((await worked(session)) - before) * (1000 / STEPS);
}

/** What a browser takes from a server on its own machine. */
const TAKEN = { "accept-encoding": "gzip, deflate, br, zstd" };

/** The status of an answer that has come to its last byte. */
const status = (agent, address) =>
  new Promise((done, failed) => {
    const answered = (response) => response.resume().on("end", () => done(response.statusCode));
    http.get(address, { agent, headers: TAKEN }, answered).on("error", failed);
  });

/** The server's answer to a page a thousand pixels wide, a range that nobody asked for before. */
async function answers({ first_ms: first, last_ms: last }) {
  const agent = new http.Agent({ keepAlive: true });
  const spent = [];
  for (let i = 0; i < 15; i++) {
    const range = `start=${first + i * 1000}&end=${last - i * 1000}`;
    const begun = performance.now();
    const answer = await status(agent, `${url}api/v1/series?metric=${METRIC}&px=1000&top=250&${range}`);
    if (answer !== 200) throw new Error(`${answer}`);
    spent.push(performance.now() - begun);
  }
  agent.destroy();
  return median(spent);
}

/** The whole page: a panel with every container, its lists and heat map, zoomed in by the wheel. */
async function pageStep({ first_ms: first, last_ms: last }) {
  const view = `v=1&t=${first / 1000}..${last / 1000}&m=${METRIC}`;
  const { browser, page } = await open(`${url}#${view}`);
  await page.locator(`.c[data-metric="${METRIC}"] canvas`).waitFor();
  await page.waitForTimeout(3000);
  const box = await plotBox(page, METRIC);
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  const spent = await perStep(page, () => page.mouse.wheel(0, -30));
  const size = { width: Math.round(box.width), height: Math.round(box.height) };
  await browser.close();
  return { spent, ...size };
}

/** As many series of as many points for either plot. */
function walks() {
  let seed = 7;
  const random = () => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
  return Array.from({ length: 250 }, (_, at) => {
    let value = 100 + at;
    return Array.from({ length: 3600 }, () => (value = Math.max(0, value + (random() - 0.5) * 40)));
  });
}

/** A step of a plot that is alone on its page, from the whole hour to its second half. */
async function plotStep(script, make, { width, height }, every = 1) {
  const { browser, page } = await open("about:blank");
  await page.addStyleTag({ path: resolve("uplot/dist/uPlot.min.css") });
  await page.addScriptTag({ content: script });
  await page.evaluate(make, { width, height, values: walks(), every });
  await page.waitForTimeout(1000);
  const spent = await perStep(page, (i) => page.evaluate((share) => globalThis.zoom(1800 * share, 3599), i / STEPS));
  await browser.close();
  return spent;
}

function makeTheirs({ width, height, values }) {
  const times = values[0].map((_, i) => i);
  const line = (_, at) => ({ stroke: `hsl(${at} 60% 50%)`, points: { show: false } });
  const options = { width, height, series: [{}, ...values.map(line)], scales: { x: { time: false } } };
  const plot = new uPlot(options, [times, ...values], document.body);
  globalThis.zoom = (min, max) => plot.setScale("x", { min, max });
}

/**
 * The top twelve in colour over all others as density, as the page shows so many: the extremes of
 * `every` samples, of which the server sends as few as there are pixels for.
 */
function makeOurs({ width, height, values, every }) {
  const host = document.createElement("div");
  Object.assign(host.style, { width: `${width}px`, height: `${height}px`, position: "relative" });
  document.body.append(host);
  const grey = "#445566";
  const theme = { name: "dark", text: grey, muted: grey, faint: grey, grid: grey, surface: "#101418", accent: grey, bad: grey };
  Object.assign(theme, { warn: grey, envelope: grey, mean: grey, crowd: "#5f7a96", font: "10.5px sans-serif" });
  const series = values.map((list, at) => {
    const buckets = Array.from({ length: list.length / every }, (_, i) => list.slice(i * every, (i + 1) * every));
    const low = Float64Array.from(buckets, (one) => Math.min(...one));
    const high = every === 1 ? low : Float64Array.from(buckets, (one) => Math.max(...one));
    return { id: `${at}`, low, high, breaks: [], min: 0, max: 1, avg: 0, p99: 0, last: 0 };
  });
  const grid = { t0: 0, step: every * 1000, n: 3600 / every, reduced: every > 1 };
  const frame = { metric: "m", unit: "count", ...grid, matched: 250, quantilesOf: "samples", series };
  const lines = series.slice(0, 12).map((column) => ({ column, colour: "#67acf7", opacity: 1, thickness: 1.3 }));
  const crowd = series.slice(12);
  const rest = { areas: [], ghosts: [], log: false, selection: null, limit: null, markers: [], glyphs: true };
  const nothing = () => undefined;
  const names = ["hover", "show", "zoom", "pan", "select", "pick", "back"];
  const handlers = { ...Object.fromEntries(names.map((name) => [name, nothing])), selecting: () => false };
  const view = new fgm.PanelView(host, handlers, theme);
  globalThis.zoom = (start, end) =>
    view.update({ range: { start: start * 1000, end: end * 1000 }, unit: "count", frame, crowd, lines, ...rest });
  view.resize();
  globalThis.zoom(0, 3599);
}

/** Our panel as a script of its own. */
async function panelScript() {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const lib = { entry: "plot/panel.ts", formats: ["iife"], name: "fgm", fileName: "panel" };
  const [{ output }] = await build({ configFile: false, root, logLevel: "silent", build: { write: false, target: "es2022", lib } });
  return output.find(({ type }) => type === "chunk").code;
}

/** How long after its tick a sample is in the page. */
async function lateness(live) {
  const { browser, page } = await open(`${live}#v=1&t=live:300&m=${METRIC}`);
  await page.locator(".con li").first().waitFor();
  const late = await page.evaluate(
    () =>
      new Promise((done) => {
        const late = [];
        let newest = 0;
        let seen = 0;
        new EventSource("api/v1/tail").addEventListener("tick", ({ data }) => (newest = JSON.parse(data).live_until_ms));
        // Values in the list and lines in the panels are made of the same answer.
        new MutationObserver(() => {
          if (newest <= seen) return;
          seen = newest;
          late.push(Date.now() - newest);
          if (late.length === 40) done(late);
        }).observe(document.querySelector(".con"), { subtree: true, characterData: true, childList: true });
      }),
  );
  await browser.close();
  return late.slice(5);
}

const meta = await (await fetch(`${url}api/v1/meta`)).json();
say("series of 250 x 1 h at 1,000 px, from request to last byte", `${(await answers(meta)).toFixed(1)} ms`, "<= 40 ms");
const page = await pageStep(meta);
const theirs = await plotStep(readFileSync(resolve("uplot/dist/uPlot.iife.min.js"), "utf8"), makeTheirs, page);
say("zoom step of uPlot alone, 250 x 3,600, main thread", `${theirs.toFixed(1)} ms`, "");
const script = await panelScript();
for (const [every, what] of [[1, "every sample"], [5, "as the server sends an hour"]]) {
  const ours = await plotStep(script, makeOurs, page, every);
  say(`ours, ${what}`, `${ours.toFixed(1)} ms`, "");
  say("ours / uPlot's", (ours / theirs).toFixed(2), "<= 0.33");
}
say("zoom step of the whole page, its questions answered", `${page.spent.toFixed(1)} ms`, "");
if (process.env.FGM_LIVE_URL) {
  const late = await lateness(process.env.FGM_LIVE_URL);
  say("a sample is seen after its tick, median", `${median(late)} ms`, "");
  say("at p99", `${quantile(late, 0.99)} ms`, "<= 1500 ms");
}
