// One sample of a week, against a real viewer over segments, hourly files and roll-ups:
// `FGM_URL=... FGM_SPIKE_MS=... FGM_SPIKY=name node --test e2e/week.test.mjs`.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { colourOf, hasSpike, open, showRanking } from "./browser.mjs";

const { FGM_URL: url, FGM_SPIKE_MS: spike, FGM_SPIKY: name } = process.env;
const skip = spike ? false : "needs FGM_SPIKE_MS";
const METRICS = ["cpu_user_usec", "pids_current"];

let browser;
let page;
let complaints;

before(async () => {
  if (spike) ({ browser, page, complaints } = await open(url));
});
after(() => browser?.close());

test("a sample that stands out is seen from an hour to a week, of a rate and of a gauge", { skip }, async () => {
  const meta = await (await fetch(`${url}api/v1/meta`)).json();
  const range = `start=${meta.first_ms}&end=${meta.last_ms}`;
  const [{ id }] = (await (await fetch(`${url}api/v1/containers?${range}&sel=${name}`)).json()).containers;
  for (const hours of [1, 6, 24, 72, 168]) {
    // Where it lies in the picture differs from length to length, and is on no grid.
    const from = Math.round(spike / 1000 - hours * 3600 * 0.48) - 1;
    await page.goto("about:blank");
    await page.goto(`${url}#v=1&th=dark&t=${from}..${from + hours * 3600}&m=${METRICS.join()}&c=${id}&hm=off`);
    await showRanking(page);
    const colour = await colourOf(page, id);
    for (const metric of METRICS) await hasSpike(page, metric, colour, hours * 3600);
  }
  assert.deepEqual(complaints, []);
});
