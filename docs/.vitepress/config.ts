import { join } from "node:path";
import { defineConfig } from "vitepress";
import { readPackage } from "../../src/schemas/package.ts";
import { gatherPages } from "./gather.ts";
import { markdown } from "./markdown.ts";
import { sidebarOf } from "./navigation.ts";
import { pagesFolder, root, workFolder } from "./page.ts";
import { withPolicy } from "./policy.ts";

// Here, because VitePress looks for pages as soon as it has read this.
const pages = gatherPages();

/** The site of the documentation, as `make docs` builds it in site/. */
export default defineConfig({
  title: "authmq",
  description: "Authentication and authorisation over RabbitMQ",
  lang: "en",
  srcDir: pagesFolder,
  outDir: join(root, "site"),
  cacheDir: join(workFolder, "cache"),
  // What all pages have in common stands in one file, and not as a script in each.
  metaChunk: true,
  // A page is asked for when a reader goes there, and not all that is in sight.
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
      // A part of a page is found by words that it has all of.
      options: { miniSearch: { searchOptions: { combineWith: "AND" } } },
    },
  },
});
