// Logging in by the link of a viewer's log: `FGM_LOGIN=http://HOST:PORT/login#CODE`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { open } from "./browser.mjs";

const link = process.env.FGM_LOGIN;

test("a link logs one browser in, once", { skip: link ? false : "needs FGM_LOGIN" }, async () => {
  const site = link.split("login#")[0];
  const first = await open(site);
  try {
    await first.page.getByText("login#").waitFor();
    await first.page.goto(link);
    await first.page.locator(".con li").first().waitFor();
    assert.equal(first.page.url().split("#")[0], site);
    const cookies = await first.page.context().cookies();
    assert.deepEqual(
      cookies.map(({ httpOnly, sameSite }) => [httpOnly, sameSite]),
      [[true, "Strict"]],
    );
    assert.equal(await first.page.evaluate(() => document.cookie), "");
    await first.page.reload();
    await first.page.locator(".con li").first().waitFor();
  } finally {
    await first.browser.close();
  }
  const second = await open(link);
  try {
    await second.page.getByText("used already").waitFor();
    assert.deepEqual(await second.page.context().cookies(), []);
  } finally {
    await second.browser.close();
  }
});
