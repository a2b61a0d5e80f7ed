// Many nodes behind one origin: `FGM_GATEWAY=http://HOST:PORT/`, a viewer with the peers `there`
// (the known recording) and `away` (nobody).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { open } from "./browser.mjs";

const gateway = process.env.FGM_GATEWAY;
const skip = gateway ? false : "needs FGM_GATEWAY";
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let browser;
let page;
let complaints;

before(async () => {
  if (gateway) ({ browser, page, complaints } = await open(gateway));
});
after(() => browser?.close());

test("the address leads to the own node, which names the others", { skip }, async () => {
  await page.locator(".con li").first().waitFor();
  assert.match(page.url(), /\/node\/[^/]+\/(#|$)/);
  await page.getByRole("button", { name: /^Node .*: others/ }).click();
  await page.getByRole("menuitem", { name: "away (away)" }).waitFor();
  await page.getByRole("menuitem", { name: "there", exact: true }).click();
  await page.waitForURL(/\/node\/there\/#/);
  await page.locator(".con li").first().waitFor();
});

test("a container of another node is found, and opened there", { skip }, async () => {
  await page.goto(gateway);
  await page.locator(".con li").first().waitFor();
  await page.keyboard.press("Control+k");
  const hit = page.getByRole("option", { name: /cart-redis there/ }).first();
  // A node that is slow is left out of one answer, not of the next.
  for (const more of "redis") {
    if (await hit.isVisible()) break;
    await page.getByRole("combobox", { name: "Search or run" }).fill(`cart-${more}`);
    await hit.waitFor({ timeout: 6_000 }).catch(() => undefined);
  }
  await hit.click();
  await page.waitForURL(/\/node\/there\/#.*c=[0-9a-f]{12}/);
  await page.locator("#focus-head", { hasText: "cart-redis" }).waitFor();
});

test("all nodes have a page, with a link to who stands out", { skip }, async () => {
  const rows = page.locator("tbody tr");
  const recording = rows.filter({ hasText: "● recording" });
  for (let tries = 0; tries < 10; tries++) {
    await page.goto(`${gateway}nodes`);
    if ((await recording.count()) > 0) break;
  }
  assert.equal(await rows.count(), 3);
  assert.match(await rows.filter({ hasText: "away" }).first().textContent(), /✕ away.*cannot be reached/s);
  const there = rows.filter({ has: page.getByRole("link", { name: "there", exact: true }) });
  assert.match(await there.textContent(), /● recording/);
  await page.evaluate(axe);
  const violations = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { rules: { "meta-refresh": { enabled: false } } });
    return violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`);
  });
  assert.deepEqual(violations, []);
  await there.locator('a[href*="m=cpu_throttled_percent"]').first().click();
  await page.locator("#focus-head").waitFor();
});

test("a node that is away is a message", { skip }, async () => {
  assert.deepEqual(complaints, []);
  await page.goto(`${gateway}node/away/`);
  await page.getByText("node away cannot be reached").waitFor();
  await page.getByRole("link", { name: "All nodes" }).click();
  await page.waitForURL(`${gateway}nodes`);
});
