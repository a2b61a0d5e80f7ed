// A browser for the tests: Debian's Chromium, headless, a fresh profile, no traffic of its own.

import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Opens a page and collects what it complains of; what a test provokes may be `expected`. */
export async function open(url, { theme = "dark", width = 1600, height = 960 } = {}) {
  const browser = await chromium.launch({
    executablePath: process.env.FGM_CHROMIUM ?? "/usr/bin/chromium",
    args: ARGS,
  });
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.stack ?? String(error)));
  await page.goto(url);
  return { browser, page, complaints };
}

/** The ranking, whatever the page thought should come first. */
export async function showRanking(page) {
  await page.getByRole("tab", { name: "Ranking" }).click();
  await page.locator(".rk tbody tr").first().waitFor();
}

/** The plot area of a panel, in page pixels. */
export async function plotBox(page, metric) {
  const box = await page.locator(`.c[data-metric="${metric}"] .u-over`).boundingBox();
  if (!box) throw new Error(`no plot of ${metric}`);
  return box;
}

/** How many pixels of a panel's canvas have (nearly) this colour. */
export function countColour(page, metric, hex) {
  return page.evaluate(
    ([id, colour]) => {
      const canvas = document.querySelector(`.c[data-metric="${id}"] canvas`);
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      const want = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
      let count = 0;
      for (let at = 0; at < data.length; at += 4) {
        if (data[at + 3] < 100) continue;
        if (want.every((part, i) => Math.abs(data[at + i] - part) < 14)) count++;
      }
      return count;
    },
    [metric, hex],
  );
}

/** The topmost row of a panel's plot that has a pixel of this colour, as a share of its height. */
export function topOfColour(page, metric, hex) {
  return page.evaluate(
    ([id, colour]) => {
      const host = document.querySelector(`.c[data-metric="${id}"]`);
      const canvas = host.querySelector("canvas");
      const over = host.querySelector(".u-over");
      const ratio = canvas.width / canvas.clientWidth;
      const [left, top, width, height] = [over.offsetLeft, over.offsetTop, over.clientWidth, over.clientHeight].map((px) =>
        Math.round(px * ratio),
      );
      const { data } = canvas.getContext("2d").getImageData(left, top, width, height);
      const want = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
      for (let at = 0; at < data.length; at += 4) {
        if (data[at + 3] > 60 && want.every((part, i) => Math.abs(data[at + i] - part) < 14)) {
          return Math.floor(at / 4 / width) / height;
        }
      }
      return null;
    },
    [metric, hex],
  );
}

/** The share of a plot's columns of pixels that have this colour above a share of its height. */
export function columnsAbove(page, metric, hex, share) {
  return page.evaluate(
    ([id, colour, part]) => {
      const host = document.querySelector(`.c[data-metric="${id}"]`);
      const canvas = host.querySelector("canvas");
      const over = host.querySelector(".u-over");
      const ratio = canvas.width / canvas.clientWidth;
      const [left, top, width, height] = [over.offsetLeft, over.offsetTop, over.clientWidth, over.clientHeight * part].map(
        (px) => Math.round(px * ratio),
      );
      const { data } = canvas.getContext("2d").getImageData(left, top, width, height);
      const want = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
      const columns = new Set();
      for (let at = 0; at < data.length; at += 4) {
        if (data[at + 3] > 60 && want.every((one, i) => Math.abs(data[at + i] - one) < 14)) columns.add((at / 4) % width);
      }
      return columns.size / width;
    },
    [metric, hex, share],
  );
}

/** The colour of a container in the lists. */
export const colourOf = (page, id) =>
  page.locator(`#con-${id} .sw`).evaluate((one) => {
    const parts = getComputedStyle(one).backgroundColor.match(/\d+/g).map(Number);
    return `#${parts.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
  });

/** Waits until a line reaches the upper third in a few columns, and no more than a few. */
export async function hasSpike(page, metric, colour, length) {
  let share = 0;
  for (let tries = 0; tries < 100; tries++) {
    share = await columnsAbove(page, metric, colour, 1 / 3);
    if (share > 0 && share < 0.1) return;
    await page.waitForTimeout(100);
  }
  assert.fail(`${metric} over ${length} s: ${share} of the columns reach the upper third`);
}
