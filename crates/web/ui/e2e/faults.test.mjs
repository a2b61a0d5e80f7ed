// What the page does when something is wrong, against the synthetic server.

import assert from "node:assert/strict";
import { test } from "node:test";
import { countColour, open, plotBox, topOfColour, showRanking } from "./browser.mjs";
import { start } from "./server.mjs";
import { SPIKE } from "./synthetic.mjs";

async function withPage(kind, fragment, run) {
  const server = await start({ kind });
  const opened = await open(server.url + fragment);
  try {
    await run({ ...opened, server });
  } finally {
    await opened.browser.close();
    server.stop();
  }
}

test("a spike of one sample is seen from five minutes to three hours", async () => {
  await withPage("cluster", "#th=dark", async ({ page, server }) => {
    const { id } = server.containers[SPIKE.container];
    const now = Math.floor(Date.now() / 1000);
    const at = Math.floor((now - 1800 - 613) / SPIKE.everySeconds) * SPIKE.everySeconds + 613;
    for (const length of [300, 900, 3600, 10_000]) {
      const from = at - Math.round(length * 0.4) - 1;
      const fragment = `#t=${from}..${from + length}&m=cpu_usage_millicores&c=${id}&th=dark`;
      await page.goto("about:blank");
      await page.goto(server.url + fragment);
      await showRanking(page);
      await page.waitForTimeout(600);
      const row = page.locator(`#con-${id} .sw`);
      const colour = await row.evaluate((one) => {
        const parts = getComputedStyle(one).backgroundColor.match(/\d+/g).map(Number);
        return `#${parts.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
      });
      // The axis ends at 2000 m at most: the spike of 1450 stands in its upper third, the rest of
      // the line in its lowest tenth.
      const top = await topOfColour(page, "cpu_usage_millicores", colour);
      assert.ok(top !== null && top < 0.34, `${length} s: ${top}`);
    }
  });
});

test("without containers the page says why", async () => {
  await withPage("empty", "", async ({ page, complaints }) => {
    await page.getByText("its cgroup tree has no leaves").first().waitFor();
    await page.getByText("Nothing is recorded yet.").first().waitFor();
    assert.deepEqual(complaints, []);
  });
});

test("without pods there are no chips, and names stand alone", async () => {
  await withPage("machine", "", async ({ page }) => {
    await page.locator(".con li").first().waitFor();
    assert.equal(await page.locator(".chip").count(), 0);
  });
});

test("chips edit the selection", async () => {
  await withPage("cluster", "", async ({ page, server }) => {
    await page.getByRole("button", { name: /^ns: datadog/ }).click();
    await page.getByText(`3 of ${server.containers.length} match`).waitFor();
    assert.equal(await page.locator("#container-search").inputValue(), "ns:datadog");
    await page.getByRole("button", { name: /^ns: shop/ }).click();
    await page.getByText(`12 of ${server.containers.length} match`).waitFor();
    assert.equal(await page.locator("#container-search").inputValue(), "ns:datadog|shop");
  });
});

test("a metric that cannot be read breaks its own panel only, and can be tried again", async () => {
  await withPage("cluster", "#m=memory_current,io_read_bytes&th=dark", async ({ page, server }) => {
    await showRanking(page);
    server.faults.refuse.add("io_read_bytes");
    await page.keyboard.press("1");
    const alert = page.locator('.c[data-metric="io_read_bytes"] [role=alert]');
    await alert.waitFor();
    assert.match(await alert.textContent(), /cannot be read here.*metric=/s);
    assert.equal(await page.locator('.c[data-metric="memory_current"] [role=alert]').count(), 0);
    server.faults.refuse.clear();
    await alert.getByRole("button", { name: "Try again" }).click();
    await alert.waitFor({ state: "detached" });
  });
});

test("a server that is away is announced, what was loaded stays, and it is found again", async () => {
  await withPage("cluster", "#th=dark", async ({ page, server }) => {
    await showRanking(page);
    server.faults.away = true;
    await page.keyboard.press("3");
    const banner = page.locator(".banner.bad");
    await banner.waitFor();
    assert.match(await banner.textContent(), /cannot be reached/);
    assert.ok((await page.locator(".rk tbody tr").count()) > 0);
    assert.ok((await countColour(page, "cpu_usage_millicores", "#67acf7")) > 20);
    server.faults.away = false;
    await banner.getByRole("button", { name: "Try now" }).click();
    await banner.waitFor({ state: "detached" });
  });
});

test("without the event stream the page asks for the newest sample by itself", async () => {
  await withPage("cluster", "", async ({ page, server }) => {
    server.faults.noTail = true;
    await page.reload();
    await showRanking(page);
    await page.waitForRequest((request) => /\/series\?.*agg=raw/.test(request.url()));
  });
});

test("a double click goes back to the range before", async () => {
  await withPage("cluster", "", async ({ page }) => {
    await showRanking(page);
    const box = await plotBox(page, "memory_current");
    await page.mouse.move(box.x + 300, box.y + 8);
    await page.mouse.wheel(0, -300);
    await page.waitForTimeout(600);
    assert.match(page.url(), /t=\d+\.?\d*\.\.\d+/);
    await page.mouse.dblclick(box.x + 300, box.y + 8);
    await page.waitForURL(/t=live:900/);
    assert.ok(!page.url().includes("x="), "the clicks left no pin");
  });
});

test("250 containers: the top twelve over a density of all", async () => {
  await withPage("crowd", "#t=live:300&m=cpu_usage_millicores&th=dark", async ({ page, complaints }) => {
    await page.getByText("top 12 coloured").waitFor();
    assert.ok((await page.locator(".con li").count()) < 60, "the list is drawn only where it is in sight");
    assert.deepEqual(complaints, []);
  });
});
