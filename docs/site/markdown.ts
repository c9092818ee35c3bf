import { Marked, type Tokens } from "marked";
import { anchorsOfPage } from "./anchors.ts";
import { highlight } from "./highlight.ts";
import { escape, Html, html } from "./html.ts";

/** A heading of a page below its title. */
export interface Heading {
  readonly depth: number;
  readonly text: string;
  readonly anchor: string;
}

/** A document in Markdown as the site shows it. */
export interface Rendered {
  readonly title: string;
  readonly headings: readonly Heading[];
  readonly body: Html;
}

/** So long a text in the first column of a table is kept in one line. */
const MAX_UNBROKEN = 40;

/** Renders a document; `linkTo` gives the address of what a link leads to, or undefined where that is not on the site. */
export function renderMarkdown(text: string, linkTo: (href: string) => string | undefined): Rendered {
  const anchorOf = anchorsOfPage();
  const headings: Heading[] = [];
  let title = "";
  const marked = new Marked({
    gfm: true,
    renderer: {
      heading({ tokens, depth }) {
        const plain = unescape(this.parser.parseInline(tokens, this.parser.textRenderer));
        const content = this.parser.parseInline(tokens);
        const anchor = anchorOf(plain);
        if (depth === 1) title = plain;
        else headings.push({ depth, text: plain, anchor });
        const link =
          depth === 1 ? "" : ` <a class="anchor" href="#${anchor}" aria-label="Link to this section">#</a>`;
        return `<h${depth} id="${anchor}">${content}${link}</h${depth}>\n`;
      },
      link({ href, tokens }) {
        const content = this.parser.parseInline(tokens);
        const target = linkTo(href);
        if (target === undefined) return `<span title="${escape(href)}">${content}</span>`;
        return `<a href="${escape(target)}">${content}</a>`;
      },
      image({ href, text: alt }) {
        return `<img src="${escape(linkTo(href) ?? href)}" alt="${escape(alt)}">`;
      },
      code({ text: code, lang }) {
        return codeBlock(code, lang).text;
      },
      table({ header, rows }) {
        const cell = (name: "th" | "td", { tokens, align }: Tokens.TableCell, column: number): string => {
          const content = this.parser.parseInline(tokens);
          const isShort = column === 0 && unescape(content.replaceAll(/<[^>]*>/g, "")).length <= MAX_UNBROKEN;
          const classes = [isShort ? "unbroken" : "", align === "right" ? "number" : ""]
            .filter(Boolean)
            .join(" ");
          return `<${name}${classes === "" ? "" : ` class="${classes}"`}>${content}</${name}>`;
        };
        const line = (name: "th" | "td", cells: readonly Tokens.TableCell[]): string =>
          `<tr>${cells.map((one, column) => cell(name, one, column)).join("")}</tr>`;
        // A table may be there for its columns alone, with nothing to say above them.
        const head = header.every(({ text: words }) => words === "")
          ? ""
          : `<thead>${line("th", header)}</thead>`;
        return tableFrame(new Html(`${head}<tbody>${rows.map((row) => line("td", row)).join("\n")}</tbody>`))
          .text;
      },
      // Comments are for those who edit a document; nothing else is written in HTML.
      html: ({ text: source }) => (source.startsWith("<!--") ? "" : escape(source)),
    },
  });
  const body = new Html(marked.parse(text, { async: false }));
  return { title, headings, body };
}

/** A table that scrolls by itself where it is wider than the page. */
function tableFrame(content: Html): Html {
  return html`<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>${content}</table></div>\n`;
}

/** A block of code. */
function codeBlock(code: string, language?: string): Html {
  return html`<pre tabindex="0"><code>${highlight(code, language)}</code></pre>\n`;
}

/** The text that marked has escaped. */
function unescape(text: string): string {
  return text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&amp;", "&");
}
