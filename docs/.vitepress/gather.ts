import { copyFileSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { filesFolder, type Page, pagesFolder, root } from "./page.ts";
import { queuePages } from "./queues.ts";
import { schemaPage } from "./schema-page.ts";

/** Files of the repository that are on the site as they are: pages lead to them. */
const FILES = [
  "schemas/**/*.*",
  "docs/**/*.{json,svg,yaml}",
  "docs/systemd/*",
  "examples/**/*.{js,py,ts}",
  "LICENSE",
];

/** Recreates the folder of pages: the documents, and pages that are generated from schemas/. */
export function gatherPages(): Page[] {
  const documents = globSync(["*.md", "docs/**/*.md"], { cwd: root })
    .toSorted()
    .map((file) => ({ path: file === "README.md" ? "index.md" : file, text: withoutComments(read(file)) }));
  const files = globSync(FILES, { cwd: root }).toSorted();
  const pages = [...documents, ...queuePages(read("schemas/asyncapi.yaml")), schemaPage(files)];
  rmSync(pagesFolder, { recursive: true, force: true });
  for (const { path, text } of pages) writeFileSync(placeFor(join(pagesFolder, path)), text);
  for (const file of files) copyFileSync(join(root, file), placeFor(join(filesFolder, file)));
  copyFileSync(join(import.meta.dirname, "icon.svg"), join(filesFolder, "icon.svg"));
  return pages;
}

function read(file: string): string {
  return readFileSync(join(root, file), "utf8");
}

/** Comments are for those who edit a document. */
function withoutComments(text: string): string {
  return text.replaceAll(/^<!--.*-->\n/gm, "");
}

function placeFor(path: string): string {
  mkdirSync(dirname(path), { recursive: true });
  return path;
}
