// What a person debugs an incident with, against a real viewer over a recording whose values are
// known: `FGM_URL=http://127.0.0.1:8050/ npm run e2e`, the recording made by the viewer's example
// `recording DIR 2 --live`.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { countColour, open, plotBox, showRanking, topOfColour } from "./browser.mjs";

const url = process.env.FGM_URL;
const CPU = "cpu_usage_millicores";
const skip = url ? false : "needs FGM_URL";
const SETTLE_MS = 700;

let browser;
let page;
let complaints;
let lastKill;

const view = () => page.evaluate(() => Object.fromEntries(new URLSearchParams(location.hash.slice(1))));
const range = async () => (await view()).t.split("..").map(Number);
const settled = () => page.waitForTimeout(SETTLE_MS);
const api = async (path) => (await fetch(`${url}api/v1/${path}`)).json();

/** Loads a view from its address, as a link does. */
async function go(fragment) {
  await page.goto("about:blank");
  await page.goto(`${url}#v=1&th=dark&${fragment}`);
  await page.locator(".con li").first().waitFor();
  await settled();
}

before(async () => {
  if (!url) return;
  ({ browser, page, complaints } = await open(url));
  // The newest kill that a window around it can show whole.
  lastKill = Math.floor((Date.now() / 1000 - 400) / 900) * 900;
});
after(() => browser?.close());

const around = (seconds) => `t=${lastKill - seconds}..${lastKill + 300}`;

test("the strip shows everything stored, its events, and moves the window", { skip }, async () => {
  await go("t=live:900");
  const strip = await page.locator(".strip").boundingBox();
  const canvas = () =>
    page.evaluate(() => {
      const one = document.querySelector(".strip canvas");
      const { data } = one.getContext("2d").getImageData(0, 0, one.width, one.height);
      let bad = 0;
      let filled = 0;
      for (let at = 0; at < data.length; at += 4) {
        if (data[at] > 200 && data[at + 1] < 140 && data[at + 2] < 140) bad++;
        if (data[at + 3] > 0) filled++;
      }
      return { bad, filled };
    });
  await page.waitForFunction(() => document.querySelector(".strip canvas")?.width > 100);
  await settled();
  const pixels = await canvas();
  assert.ok(pixels.bad > 10, "ticks of OOM kills");
  assert.ok(pixels.filled > 2000, "the envelope");

  await page.mouse.click(strip.x + strip.width * 0.3, strip.y + 30);
  await settled();
  const [start, end] = await range();
  assert.ok(Math.abs(end - start - 900) < 2, "a click moves the window");
  const { first_ms, last_ms } = await api("meta");
  const wanted = first_ms + (last_ms - first_ms) * 0.3;
  assert.ok(Math.abs((start + end) * 500 - wanted) < 120_000, "to where it was clicked");

  await page.mouse.move(strip.x + strip.width * 0.5, strip.y + 30);
  await page.mouse.down();
  await page.mouse.move(strip.x + strip.width * 0.6, strip.y + 30, { steps: 5 });
  await page.mouse.up();
  await settled();
  const drawn = await range();
  assert.ok(Math.abs(drawn[1] - drawn[0] - ((last_ms - first_ms) / 1000) * 0.1) < 60, "a drag draws a new one");
  await page.goBack();
  await settled();
  assert.deepEqual(await range(), [start, end], "Back undoes the whole drag");
});

test("with incidents in the window the events come first, and step by key", { skip }, async () => {
  await go(around(300));
  assert.equal(await page.getByRole("tab", { name: /Events/ }).getAttribute("aria-selected"), "true");
  const line = page.locator(".events .tl", { hasText: "OOM kill · cart-redis" }).first();
  await line.waitFor();
  assert.match(await line.textContent(), /256 MiB/);
  await page.mouse.move(5, 500);
  await page.keyboard.press("n");
  await settled();
  assert.equal(Number((await view()).x) >= lastKill - 300, true);
  await page.locator(".events .card").waitFor();
  await go(around(300));
  await line.click();
  await page.getByRole("button", { name: "Zoom ± 60 s" }).click();
  await settled();
  assert.deepEqual(await range(), [lastKill - 60, lastKill + 60]);
});

test("an incident is copied as Markdown with a link that opens it", { skip }, async () => {
  await go(around(300));
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.locator(".events .tl", { hasText: "OOM kill" }).first().click();
  await page.locator(".events .card").getByRole("button", { name: "Copy" }).click();
  await page.getByText("Incident copied").waitFor();
  const text = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(text, /^\*\*OOM kill\*\* of shop\/cart-redis on kind-worker2$/m);
  assert.match(text, /Memory at that moment: 2\d\d MiB/);
  const link = /\((http.*)\)$/m.exec(text)[1];
  assert.match(link, new RegExp(`t=${lastKill - 60}\\.\\.${lastKill + 60}`));
});

test("the heat map has a row per container, on the crosshair of the panels", { skip }, async () => {
  await go(`${around(600)}&hm=memory_current:max`);
  const { matched } = await api(`containers?start=${(lastKill - 600) * 1000}&end=${(lastKill + 300) * 1000}`);
  await page.getByText(`${matched} rows`).waitFor();
  const area = await page.locator(".heat-area").boundingBox();
  const cpu = await plotBox(page, CPU);
  assert.ok(Math.abs(area.x - cpu.x) < 1.5 && Math.abs(area.width - cpu.width) < 2, "one gutter for all");
  await page.mouse.move(area.x + area.width * 0.5, area.y + 2);
  await settled();
  assert.match(await page.locator(".heat .readout").textContent(), /shop\/postgres.*5\d\d MiB/);
  await page.mouse.click(area.x + area.width * 0.5, area.y + 2);
  await settled();
  assert.match(await page.locator("#focus-head").textContent(), /postgres/);
  await page.getByLabel("Sort").selectOption("name");
  await settled();
  assert.equal((await view()).hm, "memory_current:name");
  await page.keyboard.press("Escape");
  await page.locator(".heat").getByRole("button", { name: "Take the heat map off" }).click();
  assert.equal(await page.locator(".heat").count(), 0);
});

test("the ranking tells the change against the range before", { skip }, async () => {
  // The cycle of 15 minutes: in its second half redis has more memory than in its first.
  await go(`t=${lastKill - 440}..${lastKill - 10}&m=memory_current`);
  await showRanking(page);
  const row = page.locator(".rk tbody tr", { hasText: "cart-redis" });
  await page.waitForFunction(() =>
    [...document.querySelectorAll(".rk tbody tr")].some((one) => /redis.*\+\d+ %/.test(one.textContent)),
  );
  assert.match(await row.locator("td").last().textContent(), /^\+[3-9]\d %$/);
});

test("comparing lays the range before over this one", { skip }, async () => {
  await go(`t=${lastKill - 440}..${lastKill - 10}&m=memory_current&f=redis`);
  const before = await countColour(page, "memory_current", "#67acf7");
  const asked = page.waitForResponse((one) => /\/series\?/.test(one.url()) && one.url().includes(`start=${(lastKill - 870) * 1000}`));
  await page.mouse.move(5, 500);
  await page.keyboard.press("k");
  await asked;
  await settled();
  assert.equal((await view()).k, "prev");
  assert.ok(before > 0);
  await page.keyboard.press("k");
  await settled();
  assert.equal((await view()).k, undefined);
});

test("the palette finds a pod, a moment, a metric and a command", { skip }, async () => {
  await go("t=live:900");
  await page.keyboard.press("Control+k");
  const field = page.getByRole("combobox", { name: "Search or run a command" });
  await field.fill("cart-redis");
  await page.locator(".palette").getByRole("option", { name: /cart-redis.*container/ }).first().click();
  await settled();
  assert.match(await page.locator("#focus-head").textContent(), /cart-redis/);

  await page.keyboard.press("Control+k");
  await field.fill(`${lastKill}`);
  await page.keyboard.press("Enter");
  await settled();
  assert.equal(Number((await view()).x), lastKill);

  await page.keyboard.press("Control+k");
  await field.fill("pids_current");
  await page.locator(".palette").getByRole("option", { name: /pids_current/ }).first().click();
  await page.locator('.c[data-metric="pids_current"]').waitFor();

  await page.keyboard.press("Control+k");
  await field.fill("memory and oom");
  await page.keyboard.press("Enter");
  await settled();
  assert.equal((await view()).d, "memory");
  await page.locator('.c[data-metric="memory_breakdown"]').waitFor();
});

test("what filled the memory: parts on top of each other against the limit", { skip }, async () => {
  const { containers } = await api(`containers?start=${(lastKill - 600) * 1000}&end=${lastKill * 1000}&sel=cart-redis`);
  await go(`t=${lastKill - 600}..${lastKill - 5}&m=memory_breakdown&c=${containers[0].id}`);
  const panel = page.locator(".p", { has: page.locator('[data-metric="memory_breakdown"]') });
  assert.match(await panel.locator(".legend").textContent(), /Anonymous 15\d MiB.*Page cache 7\d/);
  assert.match(await panel.locator(".sub").textContent(), /shop\/cart-redis/);
  const top = await topOfColour(page, "memory_breakdown", "#67acf7");
  assert.ok(top !== null && top < 0.75, `the lowest layer: ${top}`);
});

test("a panel is drawn as density, stack, sum, logarithm, and fills the column", { skip }, async () => {
  await go(`${around(600)}&m=${CPU},memory_current`);
  const panel = page.locator(".p", { has: page.locator(`[data-metric="${CPU}"]`) });
  for (const [name, flags] of [["Density", "d"], ["Stack", "s"], ["Σ sum", "u"], ["log", "uo"]]) {
    await panel.getByRole("button", { name, exact: true }).click();
    await settled();
    assert.equal((await view()).m.split(",")[0], `${CPU}:${flags}`);
  }
  await panel.getByRole("button", { name: /fill the column/ }).click();
  assert.equal(await page.locator(".panels .p").count(), 1);
  await page.keyboard.press("Escape");
  assert.ok((await page.locator(".panels .p").count()) >= 2);
});

test("a stretch is selected, and its numbers are told", { skip }, async () => {
  await go(`${around(600)}&m=memory_current&f=postgres`);
  const box = await plotBox(page, "memory_current");
  const before = await view();
  await page.keyboard.down("Control");
  await page.mouse.move(box.x + box.width * 0.2, box.y + 30);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 30, { steps: 5 });
  await page.mouse.up();
  await page.keyboard.up("Control");
  await settled();
  const after = await view();
  assert.equal(after.t, before.t, "it does not zoom");
  const [from, to] = after.s.split("..").map(Number);
  assert.ok(Math.abs(to - from - 270) < 5);
  assert.match(await page.locator(".rk.st tbody tr").first().textContent(), /postgres(5\d\d MiB){6}/);
});

test("what differs in a stretch is told, and looked at by a click", { skip }, async () => {
  // The second half of the cycle of 15 minutes, and before it the first.
  await go(`t=${lastKill - 890}..${lastKill - 10}&m=${CPU}&s=${lastKill - 440}..${lastKill - 10}`);
  await page.getByRole("tab", { name: "Range" }).click();
  await page.getByRole("button", { name: "What differs" }).click();
  const row = page.locator(".diff tbody tr", { hasText: /cart-redis.*\+\d+ %/ }).first();
  await row.waitFor();
  const link = row.getByRole("button");
  const title = await link.textContent();
  await link.click();
  await page.locator(".p h3, .p h2, .p", { hasText: title }).first().waitFor();
  assert.match(await page.locator("#focus-head").textContent(), /cart-redis/);
  assert.equal((await view()).m.split(",").length, 2);

  // A box on the heat map asks at once.
  await go(`${around(600)}&hm=memory_current:max`);
  const area = await page.locator(".heat-area").boundingBox();
  await page.mouse.move(area.x + area.width * 0.3, area.y + 2);
  await page.mouse.down();
  await page.mouse.move(area.x + area.width * 0.6, area.y + 20, { steps: 5 });
  await page.mouse.up();
  await page.getByText("What differs from").waitFor();
});

test("notes are written, seen by others, and taken away", { skip }, async () => {
  await go(`${around(300)}&x=${lastKill - 30}`);
  await page.keyboard.press("b");
  await page.getByLabel("Text of the note").fill("deploy <b>v2.14</b> starts");
  await page.getByRole("button", { name: "Keep" }).click();
  await page.locator(".note p", { hasText: "deploy <b>v2.14</b> starts" }).waitFor();
  const { notes } = await api("notes");
  const mine = notes.find(({ text }) => text.includes("v2.14"));
  assert.equal(mine.time_ms, (lastKill - 30) * 1000);
  await page.locator(".note", { hasText: "v2.14" }).getByRole("button", { name: "delete" }).click();
  await page.locator(".note", { hasText: "v2.14" }).waitFor({ state: "detached" });
  assert.ok(!(await api("notes")).notes.some(({ id }) => id === mine.id));
});

test("the numbers of a panel are a table, a picture and a file", { skip }, async () => {
  await go(`t=${lastKill - 120}..${lastKill - 60}&m=memory_current&f=ns:datadog`);
  await page.mouse.move(5, 500);
  await page.keyboard.press("Shift+T");
  const table = page.locator(".numbers table");
  await table.waitFor();
  assert.match(await table.locator("tbody tr").first().textContent(), /^\d\d:\d\d:\d\d\d+ MiB/);
  await page.keyboard.press("Escape");
  const [picture] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("g")]);
  assert.match(picture.suggestedFilename(), /^fgm-memory_current-\d+\.png$/);
  const bytes = await readFile(await picture.path());
  assert.equal(bytes.subarray(1, 4).toString(), "PNG");
  await settled();
  const [file] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("Shift+G")]);
  const lines = (await readFile(await file.path(), "utf8")).trim().split("\r\n");
  assert.match(lines[0], /,memory_current$/);
  assert.equal(lines.length, 1 + 3 * 61, "three containers, 61 samples each");
});

test("times are in UTC where that is asked for", { skip }, async () => {
  await go(around(300));
  await page.keyboard.press("Shift+Z");
  await settled();
  assert.equal((await view()).tz, "utc");
  assert.equal(await page.locator(".zone").textContent(), "UTC");
  const start = new Date((lastKill - 300) * 1000).toISOString().slice(11, 19);
  assert.ok((await page.locator(".range").textContent()).startsWith(start));
});

test("has:oom leaves those that were killed", { skip }, async () => {
  await go(`${around(300)}&f=has:oom`);
  await page.getByText(/^1 of \d+ match$/).waitFor();
  assert.match(await page.locator(".con li").first().textContent(), /cart-redis/);
});

test("a spike of one second is seen at every zoom", { skip }, async () => {
  const { first_ms, last_ms } = await api("meta");
  const second = Math.floor(last_ms / 1000) - 300;
  const spike = Math.floor((second - 613) / 1847) * 1847 + 613;
  const { containers } = await api(`containers?start=${first_ms}&end=${last_ms}&sel=payments`);
  for (const length of [300, 900, 3600, 6 * 3600]) {
    const from = spike - Math.round(length * 0.6);
    await go(`t=${from}..${from + length}&m=${CPU}&c=${containers[0].id}&hm=off`);
    await page.waitForTimeout(1000);
    const colour = await page.locator("#focus-head .sw").evaluate((one) => {
      const parts = getComputedStyle(one).backgroundColor.match(/\d+/g).map(Number);
      return `#${parts.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
    });
    const top = await topOfColour(page, CPU, colour);
    assert.ok(top !== null && top < 0.3, `${length} s: ${top}`);
  }
});

test("the page complained of nothing", { skip }, () => {
  assert.deepEqual(complaints, []);
});
