import type { MarkdownOptions } from "vitepress";
import { followLinks } from "./links.ts";

/** How Markdown is read: as GitHub reads it, and what a document says is text, whatever it looks like. */
export const markdown: MarkdownOptions = {
  html: false,
  attrs: { disable: true },
  anchor: { slugify: anchorOf },
  theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" },
  config(md) {
    // `:D` and the like are no pictures in a technical text.
    md.core.ruler.disable("emoji");
    followLinks(md);
    // Pages are templates of Vue, which would take two braces for code.
    const { text } = md.renderer.rules;
    md.renderer.rules.text = (...args) => (text?.(...args) ?? "").replaceAll("{{", "&#123;&#123;");
  },
};

/** The anchor of a heading, as GitHub makes it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}
