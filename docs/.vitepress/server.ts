import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css",
  ".js": "text/javascript",
  ".svg": "image/svg+xml",
  ".json": "application/json",
};

/** Serves a folder on loopback until disposed; VitePress's own preview listens on all addresses. */
export async function serveFolder(folder: string, port: number): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const file = join(folder, normalize(pathname.replace(/\/$/, "/index.html")));
    const headers = {
      "content-type": TYPES[extname(file)] ?? "text/plain; charset=utf-8",
      // Names of built files change with their content.
      "cache-control": pathname.startsWith("/assets/") ? "max-age=31536000, immutable" : "no-cache",
    };
    readFile(file).then(
      (content) => response.writeHead(200, headers).end(content),
      () => response.writeHead(404).end("not found\n"),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${port}/`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
