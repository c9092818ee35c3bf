import { copyFileSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import ts from "typescript";
import { readPackage } from "../../src/schemas/package.ts";
import { pathOf, root } from "./draft.ts";
import { gatherDrafts } from "./drafts.ts";
import { layOut, type Page } from "./layout.ts";
import { linksOf } from "./links.ts";
import { renderMarkdown } from "./markdown.ts";
import { navigate, pathsOf } from "./navigation.ts";
import { type Found, partsOf } from "./search-index.ts";

/** Builds the site in a folder, in place of what is there; gives the paths of its pages. */
export function buildSite(folder: string): string[] {
  const files = new Set(globSync("schemas/**/*.*", { cwd: root }));
  const pages: Page[] = [];
  const parts = new Map<string, Found[]>();
  for (const { file, text } of gatherDrafts()) {
    const links = linksOf(file);
    const page = { path: pathOf(file), ...renderMarkdown(text, (href) => links.linkTo(href)) };
    pages.push(page);
    parts.set(page.path, partsOf(page, text));
    for (const linked of links.files) files.add(linked);
  }
  const navigation = navigate(pages);
  // What is found in two places is found first where a reader comes by first.
  const found = pathsOf(navigation).flatMap((path) => parts.get(path) ?? []);
  const { version } = readPackage();
  const write = (path: string, content: string): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  };
  const copy = (from: string, path: string): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    copyFileSync(from, join(folder, path));
  };
  rmSync(folder, { recursive: true, force: true });
  for (const page of pages) write(page.path, layOut(page, navigation, version));
  for (const file of files) copy(join(root, file), file);
  for (const name of ["style.css", "icon.svg"])
    copy(join(import.meta.dirname, "browser", name), `assets/${name}`);
  write("assets/index.js", `globalThis.searchIndex = ${JSON.stringify(found)};\n`);
  write("assets/search.js", forBrowsers(join(import.meta.dirname, "browser/search.ts")));
  return pages.map(({ path }) => path);
}

function forBrowsers(file: string): string {
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  return ts.transpileModule(readFileSync(file, "utf8"), { compilerOptions }).outputText;
}
