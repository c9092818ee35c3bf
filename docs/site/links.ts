import { existsSync, statSync } from "node:fs";
import { posix, resolve } from "node:path";
import { pathOf, root } from "./draft.ts";

/** Where a folder of the repository is shown on the site. */
const FOLDERS: Readonly<Record<string, string>> = {
  "docs/adr": "docs/adr/index.html",
  schemas: "schemas/index.html",
  "schemas/rpc": "schemas/index.html#rpc",
  "schemas/sql": "schemas/index.html#sql",
};

/** How a document's links lead on: the address for each, and the files that must come to the site for them. */
export interface Links {
  linkTo(href: string): string | undefined;
  /** The paths of files that some link leads to, in the repository as on the site. */
  readonly files: ReadonlySet<string>;
}

/** The links of a document, seen from its page. */
export function linksOf(document: string): Links {
  const page = pathOf(document);
  const files = new Set<string>();
  return {
    files,
    linkTo(href) {
      if (/^https?:|^#/.test(href)) return href;
      const [path = "", anchor] = href.split("#");
      const target = posix.join(posix.dirname(document), path).replace(/\/$/, "");
      const place = placeOf(target);
      if (place === undefined) return undefined;
      if (place === target) files.add(target);
      return relative(page, anchor === undefined ? place : `${place}#${anchor}`);
    },
  };
}

/** An address on the site as it is written on one of its pages. */
export function relative(from: string, to: string): string {
  const [path = "", anchor] = to.split("#");
  const address = posix.relative(posix.dirname(from), path);
  return anchor === undefined ? address : `${address}#${anchor}`;
}

/** Sources and tests are not on the site. */
function placeOf(target: string): string | undefined {
  if (target.endsWith(".md")) return pathOf(target);
  if (FOLDERS[target] !== undefined) return FOLDERS[target];
  const isShown = /^(?:docs(?!\/site)|schemas)\/|^LICENSE$/.test(target);
  const path = resolve(root, target);
  return isShown && existsSync(path) && statSync(path).isFile() ? target : undefined;
}
