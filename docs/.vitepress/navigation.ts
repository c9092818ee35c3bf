import { posix } from "node:path";
import type { DefaultTheme } from "vitepress";
import type { Page } from "./page.ts";

type Item = DefaultTheme.SidebarItem;

/** The pages of each group, in their order; one that is not named stands at the end of the second group. */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  Start: ["index.md"],
  Using: [
    "docs/client.md",
    "docs/protocol.md",
    "queues/index.md",
    "docs/events.md",
    "docs/broker-tokens.md",
    "docs/amqp-1.0.md",
    "docs/reliability.md",
    "schemas/index.md",
    "docs/api.md",
  ],
  Running: [
    "docs/configuration.md",
    "docs/operations.md",
    "docs/observability.md",
    "docs/directory.md",
    "docs/scaling.md",
    "docs/performance.md",
    "docs/upgrade.md",
    "SECURITY.md",
  ],
  Project: ["docs/adr/index.md", "CHANGELOG.md", "CONTRIBUTING.md"],
};

const INDEX = /\/index\.md$/;

/** The way to every page: a folder with an index is one item, which has its other pages below it. */
export function sidebarOf(pages: readonly Page[]): Item[] {
  const named = new Map(Object.entries(GROUPS).map(([title, paths]) => [title, [...paths]]));
  const placed = new Set([...named.values()].flat());
  const folders = [...placed].filter((path) => INDEX.test(path)).map((path) => posix.dirname(path));
  const others = pages.filter(({ path }) => !placed.has(path) && !folders.includes(posix.dirname(path)));
  named.get("Using")?.push(...others.map(({ path }) => path));
  return Array.from(named, ([text, paths]) => ({ text, items: paths.map((path) => itemOf(pages, path)) }));
}

function itemOf(pages: readonly Page[], path: string): Item {
  const item = { text: titleOf(pages, path), link: addressOf(path) };
  if (!INDEX.test(path)) return item;
  const below = pages.filter(
    (page) => page.path !== path && posix.dirname(page.path) === posix.dirname(path),
  );
  if (below.length === 0) return item;
  return { ...item, collapsed: true, items: below.map((page) => itemOf(pages, page.path)) };
}

function addressOf(path: string): string {
  return `/${path.replace(/\.md$/, ".html").replace(/(^|\/)index\.html$/, "$1")}`;
}

function titleOf(pages: readonly Page[], path: string): string {
  if (path === "index.md") return "Overview";
  const title = /^# (.*)$/m.exec(pages.find((page) => page.path === path)?.text ?? "")?.[1];
  if (title === undefined)
    throw new Error(`the navigation names ${path}, and there is no such page or title`);
  return title;
}
