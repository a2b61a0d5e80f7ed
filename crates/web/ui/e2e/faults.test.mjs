// What the page does when something is wrong, against the synthetic server.

import assert from "node:assert/strict";
import { test } from "node:test";
import { colourOf, countColour, hasSpike, open, plotBox, showRanking } from "./browser.mjs";
import { start } from "./server.mjs";
import { leaveSpike, MARKUP, SPIKE } from "./synthetic.mjs";

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

test("a spike of one sample is seen from five minutes to seven days, of a rate and of a gauge", async () => {
  await withPage("week", "#th=dark&f=payments&hm=off", async ({ page, server }) => {
    const { id } = server.containers[SPIKE.container];
    const now = Math.floor(Date.now() / 1000);
    // So many spikes back that the longest window around it ends before now, and off every grid.
    const at = Math.floor((now - 0.4 * 604_800 - 613) / SPIKE.everySeconds) * SPIKE.everySeconds + 613;
    for (const length of [300, 900, 3600, 21_600, 86_400, 259_200, 604_800]) {
      // Of the spikes in a long window only this one is left: the others would hide its loss.
      leaveSpike(at);
      const from = at - Math.round(length * 0.6) - 1;
      const fragment = `#t=${from}..${from + length}&m=cpu_usage_millicores,pids_current&f=payments&c=${id}&hm=off&th=dark`;
      await page.goto("about:blank");
      await page.goto(server.url + fragment);
      await showRanking(page);
      const colour = await colourOf(page, id);
      await hasSpike(page, "cpu_usage_millicores", colour, length);
      await hasSpike(page, "pids_current", colour, length);
    }
    leaveSpike(null);
  });
});

test("without containers the page says why", async () => {
  await withPage("empty", "", async ({ page, complaints }) => {
    await page.getByText("its cgroup tree has no leaves").first().waitFor();
    await page.getByText("Nothing is recorded yet.").first().waitFor();
    assert.deepEqual(complaints, []);
  });
});

test("lines have the colours of the lists in both themes", async () => {
  for (const theme of ["dark", "light"]) {
    await withPage("cluster", `#th=${theme}&m=cpu_usage_millicores&hm=off`, async ({ page, server }) => {
      await page.locator(".con li").first().waitFor();
      await page.waitForTimeout(1000);
      for (const { id } of server.containers.slice(0, 3)) {
        const colour = await colourOf(page, id);
        assert.ok((await countColour(page, "cpu_usage_millicores", colour)) > 20, `${theme}: ${colour} of ${id}`);
      }
    });
  }
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

test("a range that stands still is listed although the server was busy, and whatever happens meanwhile", async () => {
  const now = Math.floor(Date.now() / 1000);
  const fragment = `#t=${now - 900}..${now - 60}&th=dark`;
  await withPage("cluster", "#th=dark", async ({ page, server }) => {
    await page.locator(".con li").first().waitFor();
    for (const fault of [{ eventInLists: true }, { eventInLists: false, busyLists: 1, busyHeat: 1 }]) {
      Object.assign(server.faults, fault);
      await page.goto("about:blank");
      await page.goto(server.url + fragment);
      await page.locator(".con li").first().waitFor({ timeout: 15_000 });
    }
    assert.deepEqual([server.faults.busyLists, server.faults.busyHeat], [0, 0]);
    await page.locator(".heat .sub", { hasText: "rows" }).waitFor({ timeout: 15_000 });
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

test("names that are markup are text, wherever they are shown", async () => {
  await withPage("hostile", "#th=dark", async ({ page, server, complaints }) => {
    await showRanking(page);
    const redis = `${MARKUP}3`;
    const box = await plotBox(page, "memory_current");
    await page.mouse.move(box.x + box.width * 0.9, box.y + box.height * 0.4);
    await page.locator(".tip").getByText(MARKUP).first().waitFor();
    assert.ok((await page.locator(".con li").first().textContent()).includes(MARKUP));
    assert.ok((await page.locator(".rk tbody tr").first().textContent()).includes(MARKUP));
    await page.getByRole("tab", { name: "Events" }).click();
    await page.getByText(redis).first().waitFor();
    await page.locator(`#con-${server.containers[3].id}`).click();
    assert.ok((await page.locator("#focus-head").textContent()).includes(redis));
    await page.keyboard.press("Control+k");
    await page.keyboard.type("<img");
    await page.getByRole("option").getByText(MARKUP).first().waitFor();
    assert.equal(await page.evaluate(() => document.querySelectorAll("img, .app script, b b").length), 0);
    assert.equal(await page.evaluate(() => globalThis.struck), undefined);
    assert.deepEqual(complaints, []);
  });
});

/** Two fingers, each from one place to another; of one finger the second is left out. */
async function fingers(page, from, to) {
  const session = await page.context().newCDPSession(page);
  const points = (share) => from.map((at, i) => ({ x: at.x + (to[i].x - at.x) * share, y: at.y + (to[i].y - at.y) * share, id: i }));
  const touch = (type, touchPoints) => session.send("Input.dispatchTouchEvent", { type, touchPoints });
  await touch("touchStart", points(0));
  for (let step = 1; step <= 8; step++) await touch("touchMove", points(step / 8));
  await touch("touchEnd", []);
}

test("one finger moves the crosshair, two zoom and pan", async () => {
  await withPage("cluster", "#t=live:900&th=dark", async ({ page, complaints }) => {
    await showRanking(page);
    const box = await plotBox(page, "cpu_usage_millicores");
    const at = (x) => ({ x: box.x + box.width * x, y: box.y + box.height / 2 });
    const address = () => page.evaluate(() => new URLSearchParams(location.hash.slice(1)).get("t"));
    // The address follows a gesture when it has come to rest.
    const range = async () => {
      for (let text = ""; ; ) {
        const now = await address();
        if (now === text) return now.split("..").map(Number);
        text = now;
        await page.waitForTimeout(700);
      }
    };
    await fingers(page, [at(0.3)], [at(0.7)]);
    const cross = await page.locator(".cross").first().boundingBox();
    assert.ok(Math.abs(cross.x - at(0.7).x) < 4, `${cross.x}`);
    assert.match(page.url(), /t=live:900/);

    await fingers(page, [at(0.4), at(0.6)], [at(0.2), at(0.8)]);
    await page.waitForURL(/t=\d+\.?\d*\.\./);
    const [start, end] = await range();
    assert.ok(Math.abs(end - start - 300) < 30, `three times nearer: ${end - start} s`);
    await fingers(page, [at(0.2), at(0.4)], [at(0.5), at(0.7)]);
    const moved = await range();
    assert.ok(Math.abs(start - moved[0] - 90) < 15, `three tenths earlier: ${start - moved[0]} s`);
    assert.deepEqual(complaints, []);
  });
});

test("where nobody has a sample the panel is hatched", async () => {
  await withPage("cluster", "", async ({ page, server }) => {
    const now = Math.floor(Date.now() / 1000);
    server.faults.hole = { from: now - 3600, to: now - 3600 + 900 };
    await page.goto("about:blank");
    await page.goto(`${server.url}#t=${now - 3600}..${now}&m=memory_current&th=dark`);
    await showRanking(page);
    await page.waitForTimeout(600);
    const inked = (from, to) =>
      page.evaluate(
        ([low, high]) => {
          const host = document.querySelector('.c[data-metric="memory_current"]');
          const canvas = host.querySelector("canvas");
          const over = host.querySelector(".u-over");
          const ratio = canvas.width / canvas.clientWidth;
          const x = Math.round((over.offsetLeft + over.clientWidth * low) * ratio);
          const width = Math.round(over.clientWidth * (high - low) * ratio);
          const y = Math.round((over.offsetTop + 2) * ratio);
          const { data } = canvas.getContext("2d").getImageData(x, y, width, 1);
          let count = 0;
          for (let i = 3; i < data.length; i += 4) if (data[i] > 0) count++;
          return count / width;
        },
        [from, to],
      );
    assert.ok((await inked(0.02, 0.22)) > 0.08, `${await inked(0.02, 0.22)}`);
    assert.ok((await inked(0.3, 0.95)) < 0.05, `${await inked(0.3, 0.95)}`);
  });
});

test("250 containers: the top twelve over a density of all", async () => {
  await withPage("crowd", "#t=live:300&m=cpu_usage_millicores&th=dark", async ({ page, complaints }) => {
    await page.getByText("top 12 coloured").waitFor();
    assert.ok((await page.locator(".con li").count()) < 60, "the list is drawn only where it is in sight");
    assert.deepEqual(complaints, []);
  });
});
