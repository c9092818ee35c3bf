/** `make docs`: builds the documentation as a site in site/. */
import { join } from "node:path";
import { root } from "./draft.ts";
import { buildSite } from "./site.ts";

const pages = buildSite(join(root, "site"));
process.stdout.write(`site/index.html (${pages.length} pages)\n`);
