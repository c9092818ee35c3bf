import { posix } from "node:path";
import type { DefaultTheme } from "vitepress";
import type { Page } from "./page.ts";

type Item = DefaultTheme.SidebarItem;

interface Group {
  readonly title: string;
  /** A page of these folders that is not listed is added at the end. */
  readonly folders: readonly string[];
  /** In this order; a page that does not exist is left out. */
  readonly pages: readonly string[];
}

const GROUPS: readonly Group[] = [
  {
    title: "Tutorials",
    folders: ["docs/tutorials"],
    pages: ["docs/tutorials/first-call.md", "docs/tutorials/protect-a-service.md"],
  },
  {
    title: "How-to guides",
    folders: ["docs/guides"],
    pages: [
      "docs/guides/authenticate-people.md",
      "docs/guides/browser-gateway.md",
      "docs/guides/authenticate-services.md",
      "docs/guides/api-keys.md",
      "docs/guides/sessions.md",
      "docs/guides/verify-access-tokens.md",
      "docs/guides/reset-passwords.md",
      "docs/guides/retry-requests.md",
      "docs/guides/react-to-events.md",
      "docs/guides/commonjs.md",
      "docs/guides/python.md",
      "docs/guides/nestjs.md",
      "docs/guides/cron.md",
      "docs/guides/install.md",
      "docs/guides/docker.md",
      "docs/guides/kubernetes.md",
      "docs/guides/systemd.md",
      "docs/guides/replicas.md",
      "docs/guides/tls.md",
      "docs/guides/backup.md",
      "docs/guides/rotate-keys.md",
      "docs/moving.md",
      "docs/guides/import-users.md",
      "docs/guides/active-directory.md",
      "docs/guides/openldap.md",
      "docs/guides/kerberos.md",
      "docs/guides/monitor.md",
      "docs/guides/troubleshoot.md",
      "docs/guides/broker-tokens.md",
      "docs/guides/amqp-1.0.md",
      "docs/upgrade.md",
    ],
  },
  {
    title: "Reference",
    folders: ["docs"],
    pages: [
      "docs/protocol.md",
      "docs/wire.md",
      "queues/index.md",
      "docs/configuration.md",
      "docs/client.md",
      "docs/events.md",
      "docs/operations.md",
      "docs/observability.md",
      "docs/second-factor.md",
      "docs/directory.md",
      "docs/guides/py-auth-micro.md",
      "docs/supported-versions.md",
      "schemas/index.md",
    ],
  },
  {
    title: "Explanation",
    folders: [],
    pages: [
      "docs/reliability.md",
      "docs/scaling.md",
      "docs/performance.md",
      "SECURITY.md",
      "docs/asvs.md",
      "docs/adr/index.md",
    ],
  },
  { title: "Project", folders: ["."], pages: ["CHANGELOG.md", "CONTRIBUTING.md"] },
];

const HOME = "index.md";

const INDEX = /\/index\.md$/;

/** Links to every page: the home page, then the groups. A folder with an index is one item with its pages below it. */
export function sidebarOf(pages: readonly Page[]): Item[] {
  const listed = GROUPS.flatMap((group) => group.pages);
  const shown = new Set([HOME, ...listed]);
  const groups = GROUPS.map(({ title, folders, pages: wanted }) => {
    const existing = wanted.filter((path) => pages.some((page) => page.path === path));
    const others = pages
      .map(({ path }) => path)
      .filter((path) => !shown.has(path) && folders.includes(posix.dirname(path)));
    return { text: title, items: [...existing, ...others].map((path) => itemOf(pages, path)) };
  });
  return [itemOf(pages, HOME), ...groups.filter(({ items }) => items.length > 0)];
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
  if (path === HOME) return "Overview";
  const title = /^# (.*)$/m.exec(pages.find((page) => page.path === path)?.text ?? "")?.[1];
  if (title === undefined) throw new Error(`${path} has no title: begin it with "# "`);
  return title;
}
