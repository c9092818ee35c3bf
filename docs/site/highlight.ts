import { escape, Html } from "./html.ts";

const COMMENT_SIGNS: Readonly<Record<string, string>> = {
  ts: "//",
  js: "//",
  sh: "#",
  python: "#",
  yaml: "#",
};

const WORDS: Readonly<Record<string, string>> = {
  ts: "async|await|class|const|export|for|from|function|if|import|new|of|return|throw|type|using",
  js: "async|await|class|const|export|for|from|function|if|import|new|of|return|throw",
  python: "async|await|class|def|for|from|if|import|in|not|raise|return|with",
  json: "true|false|null",
  yaml: "true|false|null",
};

/** Code with marks around comments, texts and words of its language; as it is, where the language is not known. */
export function highlight(code: string, language = ""): Html {
  const sign = COMMENT_SIGNS[language];
  const words = WORDS[language];
  if (sign === undefined && words === undefined) return new Html(escape(code));
  const kinds = [
    ...(sign === undefined ? [] : [`(?<comment>(?<=^|\\s)${sign}.*)`]),
    "(?<string>\"(?:[^\"\\\\\\n]|\\\\.)*\"|'(?:[^'\\\\\\n]|\\\\.)*')",
    ...(words === undefined ? [] : [`(?<word>\\b(?:${words})\\b)`]),
  ];
  let marked = "";
  let end = 0;
  for (const match of code.matchAll(new RegExp(kinds.join("|"), "gm"))) {
    const groups: Readonly<Record<string, string | undefined>> = match.groups ?? {};
    const kind = Object.keys(groups).find((name) => groups[name] !== undefined) ?? "";
    const text = match[0];
    // In JSON and YAML a text before a colon is a name.
    const isName =
      kind === "string" &&
      /^(?:json|yaml)$/.test(language) &&
      /^\s*:/.test(code.slice(match.index + text.length));
    marked += escape(code.slice(end, match.index));
    marked += `<span class="${isName ? "name" : kind}">${escape(text)}</span>`;
    end = match.index + text.length;
  }
  return new Html(marked + escape(code.slice(end)));
}
