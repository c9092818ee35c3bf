import type { MarkdownOptions } from "vitepress";
import { followLinks } from "./links.ts";

/** Markdown options: as on GitHub, and all text is escaped. */
export const markdown: MarkdownOptions = {
  html: false,
  attrs: { disable: true },
  anchor: { slugify: anchorOf },
  theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" },
  config(md) {
    // Do not convert `:D` and the like.
    md.core.ruler.disable("emoji");
    followLinks(md);
    // Pages are Vue templates, where two braces start an expression.
    const { text } = md.renderer.rules;
    md.renderer.rules.text = (...args) => (text?.(...args) ?? "").replaceAll("{{", "&#123;&#123;");
  },
};

/** The anchor of a heading, as on GitHub. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}
