// Runs the browser tests, or says in one line how to.

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL(".", import.meta.url));
const browser = process.env.FGM_CHROMIUM ?? "/usr/bin/chromium";
if (!existsSync(browser)) {
  console.log(`skipped: no browser at ${browser}; install chromium or set FGM_CHROMIUM`);
  process.exit(0);
}
if (!process.env.FGM_URL && !process.env.FGM_WEB_DIST && !existsSync(`${folder}../dist/index.html`)) {
  console.log("skipped: no page to test; run `npm run build` or set FGM_URL");
  process.exit(0);
}
const tests = readdirSync(folder)
  .filter((name) => name.endsWith(".test.mjs"))
  .map((name) => folder + name);
const { status } = spawnSync(process.execPath, ["--test", ...tests], { stdio: "inherit" });
process.exit(status ?? 1);
