import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const LEAST_COMPRESSED = 1024; // bytes

/** Beside each file its compressed forms, once a build: the server only chooses (services/console/files.py). */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    writeBundle({ dir: folder = "" }) {
      for (const name of readdirSync(folder, { recursive: true, encoding: "utf-8" })) {
        const path = join(folder, name);
        if (!/\.(js|css|html|svg)$/.test(name) || statSync(path).size < LEAST_COMPRESSED) continue;
        const bytes = readFileSync(path);
        writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
        // Quality 11 makes 4 percent less of it in ten times the time.
        writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }));
      }
    },
  };
}

/** Cloudscape's styles hold their fonts as data: URLs. The Content-Security-Policy allows fonts from our own origin alone, and as
 * files they are fetched only where a page uses them. */
function fontsAsFiles(): Plugin {
  return {
    name: "fonts-as-files",
    apply: "build",
    generateBundle(_, bundle) {
      for (const file of Object.values(bundle)) {
        if (file.type !== "asset" || !file.fileName.endsWith(".css")) continue;
        file.source = String(file.source).replace(/url\(data:font\/woff2;base64,([^)]+)\)/g, (_all, text: string) => {
          const source = Buffer.from(text, "base64");
          const name = `font-${createHash("sha256").update(source).digest("hex").slice(0, 10)}.woff2`;
          this.emitFile({ type: "asset", fileName: `assets/${name}`, source });
          return `url(./${name})`;
        });
      }
    },
  };
}

export default defineConfig({
  base: "/console/",
  plugins: [react(), fontsAsFiles(), compressed()],
  build: {
    assetsInlineLimit: 0, // the Content-Security-Policy has no data: but for images
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500,
    emptyOutDir: true,
    sourcemap: false,
    // Left alone, each set of pages that share a module gets a file of its own: a page took a hundred files. Together they are
    // as many bytes.
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: "first", tags: ["$initial"], priority: 2 }, // what comes before sign-in
            { name: "shared", minShareCount: 3, priority: 1 },
          ],
        },
      },
    },
  },
  server: {
    fs: { allow: ["../.."] }, // node_modules is a link to .console/node_modules
    // `vite` (the development server) passes everything else on to a running Keytrail. Calls are signed for the host that the
    // browser sees, so it is passed on unchanged.
    proxy: { "^/(?!console)": { target: process.env["KEYTRAIL_URL"] ?? "http://127.0.0.1:8600", changeOrigin: false } },
  },
});
