import { existsSync } from "node:fs";
import { join, posix } from "node:path";
import type { MarkdownRenderer } from "vitepress";
import { filesFolder, pagesFolder, root } from "./page.ts";

/** Pages of the site for folders without an index. */
const FOLDERS: Readonly<Record<string, string>> = {
  "schemas/rpc": "schemas/index.md#rpc",
  "schemas/sql": "schemas/index.md#sql",
};

type Place =
  /** An absolute path on the site. */
  | { readonly kind: "page" | "file"; readonly address: string }
  /** Sources and tests are not on the site. */
  | { readonly kind: "source" }
  | { readonly kind: "elsewhere" };

/** Converts links that work on GitHub to links of the site; a broken link fails the build. */
export function followLinks(md: MarkdownRenderer): void {
  md.core.ruler.push("site_links", ({ tokens, env }) => {
    const { relativePath } = env as { relativePath: string };
    for (const token of tokens.flatMap(({ children }) => children ?? [])) {
      if (token.type === "link_open") {
        const href = token.attrGet("href") ?? "";
        const place = placeOf(relativePath, href);
        if (place.kind === "page") token.attrSet("href", place.address);
        // Files keep their paths; with a target, VitePress does not treat them as pages.
        if (place.kind === "file") token.attrSet("target", "_self");
        if (place.kind === "source") token.attrs = [["title", href]];
      } else if (token.type === "image") {
        const place = placeOf(relativePath, token.attrGet("src") ?? "");
        if (place.kind === "file") token.attrSet("src", place.address);
      }
    }
  });
}

function placeOf(page: string, href: string): Place {
  if (/^[a-z]+:|^#/.test(href)) return { kind: "elsewhere" };
  const [path = "", anchor] = href.split("#");
  const target = posix.join(posix.dirname(page), path).replace(/\/$/, "");
  const hash = anchor === undefined ? "" : `#${anchor}`;
  const found = [target === "README.md" ? "index.md" : target, `${target}/index.md`].find(
    (file) => file.endsWith(".md") && existsSync(join(pagesFolder, file)),
  );
  if (found !== undefined) return { kind: "page", address: `/${found}${hash}` };
  const folder = FOLDERS[target];
  if (folder !== undefined) return { kind: "page", address: `/${folder}` };
  if (existsSync(join(filesFolder, target))) return { kind: "file", address: `/${target}` };
  if (existsSync(join(root, target))) return { kind: "source" };
  throw new Error(`${page}: the link to ${href} leads nowhere`);
}
