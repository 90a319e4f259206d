import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const server = "http://127.0.0.1:8000"; // where `reelmix serve RUN` listens

export default defineConfig({
  base: "./", // the page works below any path of a reverse proxy
  plugins: [react()],
  build: {
    outDir: "../src/reelmix/server/page",
    emptyOutDir: true,
    license: { fileName: "licenses.md" },
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // nothing inline: the page is served under a strict Content-Security-Policy
    target: "es2022",
  },
  server: { proxy: { "/v1": server, "/media": server, "/openapi.json": server } },
});
