import { join } from "node:path";
import { defineConfig } from "vitepress";
import { readPackage } from "../../src/schemas/package.ts";
import { gatherPages } from "./gather.ts";
import { markdown } from "./markdown.ts";
import { sidebarOf } from "./navigation.ts";
import { pagesFolder, root, workFolder } from "./page.ts";
import { withPolicy } from "./policy.ts";

// Gather pages here: VitePress searches for pages as soon as it has loaded this file.
const pages = gatherPages();

/** The documentation site, which `make docs` builds in site/. */
export default defineConfig({
  title: "authmq",
  description: "Authentication and authorisation over RabbitMQ",
  lang: "en",
  srcDir: pagesFolder,
  outDir: join(root, "site"),
  cacheDir: join(workFolder, "cache"),
  // Share metadata of all pages in one file instead of a script in each page.
  metaChunk: true,
  // Load a page when the reader opens it, not every visible link.
  router: { prefetchLinks: false },
  markdown,
  transformHead: ({ siteData }) => [
    ["link", { rel: "icon", type: "image/svg+xml", href: `${siteData.base}icon.svg` }],
  ],
  transformHtml: withPolicy,
  themeConfig: {
    logo: "/icon.svg",
    nav: [
      { text: "Queues", link: "/queues/", activeMatch: "^/queues/" },
      { text: "Configuration", link: "/docs/configuration.html" },
      { text: readPackage().version, link: "/CHANGELOG.html" },
    ],
    sidebar: sidebarOf(pages),
    outline: [2, 3],
    search: {
      provider: "local",
      // A result must contain all search words.
      options: { miniSearch: { searchOptions: { combineWith: "AND" } } },
    },
  },
});
