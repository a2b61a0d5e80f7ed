// What the page costs on real data: `FGM_URL=http://127.0.0.1:8050/ node e2e/figures.mjs`, with a viewer
// over an hour of 250 containers (`generate-bench-data --scenario realistic --duration 1h`). With
// FGM_LIVE_URL, of a viewer beside a recorder, also how soon a tick is seen.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
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

/** The server's answer to a page a thousand pixels wide, a range that nobody asked for before. */
async function answers({ first_ms: first, last_ms: last }) {
  const spent = [];
  for (let i = 0; i < 15; i++) {
    const range = `start=${first + i * 1000}&end=${last - i * 1000}`;
    const begun = performance.now();
    const response = await fetch(`${url}api/v1/series?metric=${METRIC}&px=1000&top=250&${range}`);
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`${response.status}`);
    spent.push(performance.now() - begun);
  }
  return median(spent);
}

/** Ours: a panel with every container, zoomed in by the wheel. */
async function ownStep({ first_ms: first, last_ms: last }) {
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

/** The same by uPlot alone, with as many series and points on as many pixels. */
async function plainStep({ width, height }) {
  const { browser, page } = await open("about:blank");
  await page.addStyleTag({ path: resolve("uplot/dist/uPlot.min.css") });
  await page.addScriptTag({ content: readFileSync(resolve("uplot/dist/uPlot.iife.min.js"), "utf8") });
  await page.evaluate(
    ([width, height]) => {
      const points = 3600;
      const times = Array.from({ length: points }, (_, i) => i);
      const series = Array.from({ length: 250 }, (_, at) => {
        let value = 100 + at;
        return times.map(() => (value = Math.max(0, value + (Math.random() - 0.5) * 40)));
      });
      const line = (_, at) => ({ stroke: `hsl(${at} 60% 50%)`, points: { show: false } });
      const options = { width, height, series: [{}, ...series.map(line)], scales: { x: { time: false } } };
      globalThis.plot = new uPlot(options, [times, ...series], document.body);
    },
    [width, height],
  );
  await page.waitForTimeout(1000);
  const spent = await perStep(page, (i) =>
    page.evaluate((share) => globalThis.plot.setScale("x", { min: 1800 * share, max: 3599 - 1800 * share }), i / (2 * STEPS)),
  );
  await browser.close();
  return spent;
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
const own = await ownStep(meta);
const plain = await plainStep(own);
say("zoom step, 250 x 3,600, main thread", `${own.spent.toFixed(1)} ms`, "");
say("the same by uPlot alone", `${plain.toFixed(1)} ms`, "");
say("ours / uPlot's", (own.spent / plain).toFixed(2), "<= 0.33");
if (process.env.FGM_LIVE_URL) {
  const late = await lateness(process.env.FGM_LIVE_URL);
  say("a sample is seen after its tick, median", `${median(late)} ms`, "");
  say("at p99", `${quantile(late, 0.99)} ms`, "<= 1500 ms");
}
