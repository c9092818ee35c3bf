/** `npm run docs:serve`: serves the site that `make docs` has built, until it is interrupted. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { root } from "./page.ts";
import { serveFolder } from "./server.ts";

const PORT = 4173;

const folder = join(root, "site");
if (existsSync(join(folder, "index.html"))) {
  const { url } = await serveFolder(folder, PORT);
  process.stdout.write(`${url}\n`);
} else {
  process.stderr.write('there is no site: build it with "make docs"\n');
  process.exitCode = 1;
}
