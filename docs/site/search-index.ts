import type { Heading } from "./markdown.ts";

/** A part of a page as the search finds it: its page's title, its heading, its address, and its words. */
export type Found = readonly [page: string, heading: string, address: string, words: string];

/** The parts of a page: what comes before its first heading, and what stands below each. */
export function partsOf(
  { path, title, headings }: { path: string; title: string; headings: readonly Heading[] },
  text: string,
): Found[] {
  const [intro = "", ...rest] = withoutMarks(text).split(/^#{2,6} .*$/m);
  if (rest.length !== headings.length)
    throw new Error(`${path}: a heading within a list, or what looks like one`);
  return [
    [title, "", path, compact(intro)],
    ...headings.map(
      ({ text: heading, anchor }, index): Found => [
        title,
        heading,
        `${path}#${anchor}`,
        compact(rest[index] ?? ""),
      ],
    ),
  ];
}

/** Lines of code that look like headings are none. */
function withoutMarks(text: string): string {
  return text
    .replaceAll(/^ *```[\s\S]*?^ *```/gm, (block) => block.replaceAll(/^#+/gm, ""))
    .replaceAll(/<!--.*?-->/g, "")
    .replaceAll(/\]\([^)]*\)/g, "]");
}

function compact(text: string): string {
  return text
    .replaceAll(/[`*|[\]]|---+/g, " ")
    .replaceAll(/\s+/g, " ")
    .trim();
}
