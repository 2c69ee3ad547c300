import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  root: "web",
  plugins: [react()],
  build: { outDir: "../dist", emptyOutDir: true },
  // npm run dev serves the page with a back end that npm start has started.
  server: { proxy: { "/api": "http://127.0.0.1:8080" } },
});
