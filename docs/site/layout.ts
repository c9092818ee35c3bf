import { type Html, html } from "./html.ts";
import { relative } from "./links.ts";
import type { Heading } from "./markdown.ts";

/** One page of the site. */
export interface Page {
  readonly path: string;
  readonly title: string;
  readonly headings: readonly Heading[];
  readonly body: Html;
}

/** A page in the navigation; those below it are shown while one of them is open. */
export interface Entry {
  readonly title: string;
  readonly path: string;
  readonly below?: readonly Entry[];
}

/** A part of the navigation. */
export interface Section {
  readonly title: string;
  readonly entries: readonly Entry[];
}

/** Nothing from elsewhere, and no code in the page. */
const POLICY =
  "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'";

/** The whole page with its navigation. */
export function layOut(page: Page, navigation: readonly Section[], version: string): string {
  const to = (path: string): string => relative(page.path, path);
  const title = page.path === "index.html" ? "authmq" : `${page.title} - authmq`;
  const { text } = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" type="image/svg+xml" href="${to("assets/icon.svg")}">
<link rel="stylesheet" href="${to("assets/style.css")}">
<script defer src="${to("assets/search.js")}"></script>
</head>
<body data-root="${to("assets/style.css").replace(/assets.*/, "")}">
<a class="skip" href="#_content">Skip to the content</a>
<header>
<a class="brand" href="${to("index.html")}">authmq</a> <span class="version">${version}</span>
<form role="search" hidden><label>Search <input type="search" autocomplete="off"></label><div role="status"></div><ol></ol></form>
</header>
<details class="menu"><summary>Menu</summary>
<nav aria-label="Pages, in the menu">${sections(page, navigation)}</nav>
</details>
<div class="columns">
<nav class="side" aria-label="Pages">${sections(page, navigation)}</nav>
<main id="_content">
${page.body}</main>
</div>
</body>
</html>
`;
  return text;
}

function sections(page: Page, navigation: readonly Section[]): Html {
  return html`${navigation.map(
    ({ title, entries }) => html`<p>${title}</p>\n<ul>${entries.map((entry) => item(page, entry))}</ul>\n`,
  )}`;
}

function item(page: Page, { title, path, below = [] }: Entry): Html {
  const isCurrent = page.path === path;
  const isAbove = below.some((entry) => entry.path === page.path);
  const inner = isAbove ? below.map((entry) => item(page, entry)) : [];
  const contents = isCurrent ? tableOfContents(page) : [];
  const list = [...contents, ...inner];
  return html`<li><a href="${relative(page.path, path)}"${isCurrent ? html` aria-current="page"` : ""}>${title}</a>${
    list.length > 0 ? html`<ul>${list}</ul>` : ""
  }</li>\n`;
}

function tableOfContents({ headings }: Page): Html[] {
  return headings
    .filter(({ depth }) => depth === 2)
    .map(({ text, anchor }) => html`<li class="part"><a href="#${anchor}">${text}</a></li>\n`);
}
