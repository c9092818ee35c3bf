import { posix } from "node:path";
import { pathOf } from "./draft.ts";
import type { Entry, Page, Section } from "./layout.ts";

/** The documents of the navigation, in their order; one that is not named stands at the end of the second group. */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  Start: ["README.md"],
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

const INDEX = "/index.html";

/** The way to every page: a folder with an index is one entry, which has its other pages below it. */
export function navigate(pages: readonly Page[]): Section[] {
  const named = new Map(Object.entries(GROUPS).map(([title, files]) => [title, files.map(pathOf)]));
  const placed = new Set([...named.values()].flat());
  const folders = [...placed].filter((path) => path.endsWith(INDEX)).map((path) => posix.dirname(path));
  const others = pages.filter(({ path }) => !placed.has(path) && !folders.includes(posix.dirname(path)));
  named.get("Using")?.push(...others.map(({ path }) => path));
  const entryOf = (path: string): Entry => {
    const below = path.endsWith(INDEX)
      ? pages.filter((page) => page.path !== path && posix.dirname(page.path) === posix.dirname(path))
      : [];
    return {
      path,
      title: titleOf(pages, path),
      below: below.map((page) => ({ path: page.path, title: page.title })),
    };
  };
  return Array.from(named, ([title, paths]) => ({ title, entries: paths.map(entryOf) }));
}

/** The paths of all pages in the order of the navigation. */
export function pathsOf(navigation: readonly Section[]): string[] {
  return navigation.flatMap(({ entries }) =>
    entries.flatMap(({ path, below = [] }) => [path, ...below.map((one) => one.path)]),
  );
}

function titleOf(pages: readonly Page[], path: string): string {
  if (path === "index.html") return "Overview";
  const page = pages.find((one) => one.path === path);
  if (page === undefined) throw new Error(`the navigation names ${path}, and there is no such page`);
  return page.title;
}
