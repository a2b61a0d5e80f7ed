// The pure logic and its tests as plain modules: Node 20 cannot run TypeScript by itself.
import { readdirSync } from "node:fs";
import { defineConfig } from "vite";

const tests = readdirSync("test").filter((name) => name.endsWith(".test.ts"));

export default defineConfig({
  build: {
    ssr: true,
    target: "node20",
    outDir: ".test",
    minify: false,
    rollupOptions: {
      input: Object.fromEntries(tests.map((name) => [name.replace(/\.ts$/, ""), `test/${name}`])),
      output: { entryFileNames: "[name].mjs" },
    },
  },
});
