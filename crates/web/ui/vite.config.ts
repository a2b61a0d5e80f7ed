// One self-contained page: script and style are put into index.html, so that the same file is
// served by the viewer, works below any path, and can later carry its data with it.
import { defineConfig, type Plugin } from "vite";

function singleFile(): Plugin {
  return {
    name: "single-file",
    enforce: "post",
    generateBundle(_options, bundle) {
      const page = bundle["index.html"];
      if (page?.type !== "asset") throw new Error("no index.html in the bundle");
      let html = String(page.source);
      for (const [name, part] of Object.entries(bundle)) {
        if (part === page) continue;
        const reference = new RegExp(`<(script|link)[^>]*${name.replaceAll(".", "\\.")}[^>]*>(</script>)?`);
        if (!reference.test(html)) throw new Error(`${name} is not referenced by index.html`);
        // A closing tag inside a string would end the element early.
        const text = String(part.type === "chunk" ? part.code : part.source).trim();
        const inline =
          part.type === "chunk"
            ? `<script type="module">${text.replaceAll("</script", "<\\/script")}</script>`
            : `<style>${text}</style>`;
        html = html.replace(reference, () => inline);
        delete bundle[name];
      }
      page.source = html;
    },
  };
}

export default defineConfig({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  plugins: [singleFile()],
  build: {
    target: "es2022",
    outDir: "dist",
    cssCodeSplit: false,
    modulePreload: false,
    assetsInlineLimit: 1 << 20,
  },
});
