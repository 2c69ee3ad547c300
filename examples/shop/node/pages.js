// The built front end, kept in memory.
import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";

const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };

// readPages reads a folder that Vite built; names of files below assets/ change with their content.
export function readPages(folder) {
  const pages = new Map();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) {
      const file = join(entry.parentPath, entry.name);
      const path = file.slice(folder.length).replaceAll("\\", "/");
      pages.set(path, {
        type: types[extname(file)] ?? "application/octet-stream",
        cache: path.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache",
        body: readFileSync(file),
      });
    }
  }
  if (pages.has("/index.html")) {
    pages.set("/", pages.get("/index.html"));
  }
  return pages;
}
