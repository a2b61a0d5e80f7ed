// The page against a running server with data: `FGM_URL=http://127.0.0.1:8050/ npm run e2e`.
// Without FGM_URL the synthetic server answers. FGM_SCREENSHOT=file keeps a picture.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { countColour, open, plotBox, showRanking } from "./browser.mjs";
import { start } from "./server.mjs";

const FIRST = "cpu_usage_millicores";
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let server = null;
let url = process.env.FGM_URL;
let browser;
let page;
let complaints;

before(async () => {
  if (!url) {
    server = await start();
    url = server.url;
  }
  ({ browser, page, complaints } = await open(url));
  await showRanking(page);
});
after(async () => {
  await browser?.close();
  server?.stop();
});

const time = () => page.evaluate(() => new URLSearchParams(location.hash.slice(1)).get("t"));
const settled = () => page.waitForTimeout(500);

test("containers are listed, with the value of the first panel", async () => {
  const row = page.locator(".con li").first();
  await row.waitFor();
  assert.match(await row.locator(".v").textContent(), /\d.* m$|\d cores$/);
  assert.ok((await page.locator(".con li").count()) > 0);
});

test("the default view shows CPU, throttling, memory and pressure", async () => {
  const shown = await page.locator(".panels .c[data-metric]").evaluateAll((list) => list.map((one) => one.dataset.metric));
  assert.deepEqual(shown, [FIRST, "cpu_throttled_percent", "memory_current", "memory_psi_some_percent"]);
});

test("the series are on the canvas in their colour", async () => {
  const swatch = page.locator(".rk tbody tr .sw").first();
  const colour = await swatch.evaluate((one) => {
    const [red, green, blue] = getComputedStyle(one).backgroundColor.match(/\d+/g).map(Number);
    return `#${[red, green, blue].map((part) => part.toString(16).padStart(2, "0")).join("")}`;
  });
  assert.ok((await countColour(page, FIRST, colour)) > 50, colour);
});

test("searching and picking a metric adds a panel, picking again takes it off", async () => {
  const before = await page.locator(".panels .p").count();
  await page.keyboard.press("m");
  await page.keyboard.type("pids cur");
  const first = page.locator(".met li").first();
  assert.match(await first.textContent(), /pids_current/);
  await page.keyboard.press("Enter");
  assert.equal(await page.locator(".panels .p").count(), before + 1);
  assert.match(page.url(), /pids_current/);
  await page.locator(`.c[data-metric="pids_current"] canvas`).waitFor();
  await first.click();
  assert.equal(await page.locator(".panels .p").count(), before);
  await page.locator("#metric-search").fill("");
  await page.keyboard.press("Escape");
});

test("hovering shows values with their unit, and the crosshair in every panel", async () => {
  const box = await plotBox(page, FIRST);
  await page.mouse.move(box.x + box.width * 0.97, box.y + box.height * 0.6);
  const tip = page.locator(".tip");
  await tip.waitFor();
  assert.match(await tip.textContent(), /\d\d:\d\d:\d\d/);
  assert.match(await tip.locator("tr td:last-child").first().textContent(), /\d (m|cores)$/);
  const crosses = await page.locator(".cross").evaluateAll((list) => list.map((one) => one.getBoundingClientRect().x));
  // Four panels and the heat map.
  assert.equal(crosses.length, 5);
  assert.ok(crosses.every((x) => Math.abs(x - crosses[0]) < 1), crosses.join());
  assert.equal(await page.locator(".rk th").nth(1).textContent(), "cursor");
});

test("the picture goes on with the time", async () => {
  assert.match(await time(), /^live:/);
  await page.mouse.move(5, 500);
  const bar = page.getByTestId("newest");
  const before = await bar.textContent();
  const pixels = () =>
    page.evaluate((id) => document.querySelector(`.c[data-metric="${id}"] canvas`).toDataURL(), FIRST);
  const picture = await pixels();
  await page.waitForFunction((text) => document.querySelector("[data-testid=newest]").textContent !== text, before);
  // New samples were asked for, not only the clock moved.
  await page.waitForRequest((request) => /\/series\?.*agg=raw/.test(request.url()));
  await settled();
  assert.notEqual(await pixels(), picture);
});

test("the wheel zooms at the pointer, Back undoes the whole gesture", async () => {
  const box = await plotBox(page, FIRST);
  await page.keyboard.press("2");
  await settled();
  const before = await time();
  await page.mouse.move(box.x + box.width * 0.5, box.y + box.height * 0.5);
  // All turns at once: on a slow machine four of the mouse's would be four gestures.
  await page.evaluate((id) => {
    const area = document.querySelector(`.c[data-metric="${id}"] .u-over`);
    const { x, y, width, height } = area.getBoundingClientRect();
    const turn = { deltaY: -120, clientX: x + width / 2, clientY: y + height / 2, bubbles: true, cancelable: true };
    for (let i = 0; i < 4; i++) area.dispatchEvent(new WheelEvent("wheel", turn));
  }, FIRST);
  await settled();
  const [start, end] = (await time()).split("..").map(Number);
  assert.ok(end - start < 900 * 0.7, `${start} ${end}`);
  await page.goBack();
  assert.equal(await time(), before);
});

test("dragging zooms into what was marked", async () => {
  const box = await plotBox(page, FIRST);
  const before = await time();
  await page.mouse.move(box.x + box.width * 0.6, box.y + 30);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.7, box.y + 40, { steps: 4 });
  assert.match(await page.locator(".band:not([hidden])").first().getAttribute("data-text"), / · .*[ms]$/);
  await page.mouse.move(box.x + box.width * 0.8, box.y + 40, { steps: 4 });
  await page.mouse.up();
  await settled();
  const [start, end] = (await time()).split("..").map(Number);
  assert.ok(Math.abs(end - start - 180) < 6, `${end - start} s`);
  await page.goBack();
  await settled();
  assert.equal(await time(), before);
});

test("Escape gives a drag up", async () => {
  const box = await plotBox(page, FIRST);
  const before = await time();
  await page.mouse.move(box.x + box.width * 0.3, box.y + 30);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 30, { steps: 4 });
  await page.keyboard.press("Escape");
  await page.mouse.up();
  assert.equal(await time(), before);
  assert.equal(await page.locator(".band:not([hidden])").count(), 0);
});

test("keys pan, zoom, fit and go live again", async () => {
  await page.mouse.move(5, 500);
  await page.keyboard.press("a");
  await settled();
  const [start] = (await time()).split("..").map(Number);
  await page.keyboard.press("d");
  await page.waitForTimeout(50);
  await page.keyboard.press("w");
  await settled();
  assert.ok(Number((await time()).split("..")[0]) > start);
  await page.keyboard.press("f");
  assert.match(await time(), /^\d+(\.\d+)?\.\.\d+/);
  await page.keyboard.press("2");
  assert.equal(await time(), "live:900");
});

test("a container is focused by its row, and let go of by Escape", async () => {
  const row = page.locator(".con li").nth(1);
  const id = (await row.getAttribute("id")).replace("con-", "");
  await row.click();
  await settled();
  assert.ok(page.url().includes(`c=${id}`), page.url());
  await page.locator("#focus-head").waitFor();
  await page.keyboard.press("Escape");
  await settled();
  assert.ok(!page.url().includes("c="), page.url());
});

test("filtering leaves what matches, and says why nothing does", async () => {
  await page.locator("#container-search").fill("no-such-container-anywhere");
  await page.getByRole("button", { name: "Remove the filter" }).click();
  await page.locator(".con li").first().waitFor();
});

for (const theme of ["dark", "light"]) {
  test(`accessible in the ${theme} theme, with every dialog and tab open`, async () => {
    while ((await page.locator("html").getAttribute("data-theme")) !== theme) await page.keyboard.press("t");
    // As the debugger, since the page's own policy lets no script in.
    await page.evaluate(axe);
    const states = [
      { name: "as it opens" },
      { name: "help", keys: "?", closes: true },
      { name: "palette", keys: "Control+k", closes: true },
      ...["Ranking", "Events", "Range", "Notes"].map((tab) => ({ name: tab, tab })),
      { name: "table", keys: "Shift+T", closes: true },
    ];
    for (const { name, keys, tab, closes } of states) {
      if (keys) await page.keyboard.press(keys);
      if (tab) await page.getByRole("tab", { name: tab }).click();
      await settled();
      const violations = await page.evaluate(async () => {
        const { violations } = await globalThis.axe.run(document);
        return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`);
      });
      assert.deepEqual(violations, [], name);
      if (closes) await page.keyboard.press("Escape");
    }
  });
}

test("a link brings back the same view", async () => {
  await page.goto("about:blank");
  await page.goto(`${url}#v=1&t=live:300&m=memory_current,cpu_usage_millicores&th=dark`);
  await showRanking(page);
  const shown = await page.locator(".panels .c[data-metric]").evaluateAll((list) => list.map((one) => one.dataset.metric));
  assert.deepEqual(shown, ["memory_current", "cpu_usage_millicores"]);
  assert.match(await time(), /^live:300$/);
});

test("a picture for the README", { skip: !process.env.FGM_SCREENSHOT }, async () => {
  await page.goto("about:blank");
  await page.goto(`${url}#v=1&t=live:900&th=dark`);
  await showRanking(page);
  await page.waitForTimeout(1500);
  const box = await plotBox(page, FIRST);
  await page.mouse.move(box.x + box.width * 0.42, box.y + box.height * 0.4);
  await settled();
  await page.screenshot({ path: process.env.FGM_SCREENSHOT });
});

test("the page complained of nothing", () => {
  assert.deepEqual(complaints, []);
});
