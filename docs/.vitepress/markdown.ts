import type { MarkdownOptions, MarkdownRenderer } from "vitepress";
import { followLinks } from "./links.ts";

/** Markdown options: as on GitHub, and all text is escaped. */
export const markdown: MarkdownOptions = {
  html: false,
  attrs: { disable: true },
  anchor: { slugify: anchorOf },
  languageAlias: { ldif: "yaml" },
  theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" },
  config(md) {
    // Do not convert `:D` and the like.
    md.core.ruler.disable("emoji");
    followLinks(md);
    boxDiagrams(md);
    // Pages are templates of Vue, which would take two braces for code.
    const { text } = md.renderer.rules;
    md.renderer.rules.text = (...args) => (text?.(...args) ?? "").replaceAll("{{", "&#123;&#123;");
  },
};

/** A diagram gets a box in which it can scroll, with the keyboard too. */
function boxDiagrams(md: MarkdownRenderer): void {
  md.core.ruler.push("diagrams", ({ tokens }) => {
    tokens.forEach((token, index) => {
      const [child, ...others] = tokens[index + 1]?.children ?? [];
      const isAlone = token.type === "paragraph_open" && others.length === 0 && child?.type === "image";
      if (!isAlone || !/\.svg$/.test(child.attrGet("src") ?? "")) return;
      token.attrSet("class", "diagram");
      token.attrSet("tabindex", "0");
    });
  });
}

/** The anchor of a heading, as GitHub makes it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}
