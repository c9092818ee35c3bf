import { execFileSync } from "node:child_process";
import { globSync } from "node:fs";
import { dirname, join } from "node:path";
import { before, describe } from "node:test";
import { root } from "../../docs/.vitepress/page.ts";
import { newFolder } from "../support/cli.ts";
import { missingForBrowser } from "../support/servers/browser.ts";
import { testInBrowser } from "./browser.ts";
import { testPages } from "./pages.ts";
import type { Site } from "./visit.ts";

// Both suites are in one file, because concurrent builds would conflict, and a build takes seconds.
const folder = join(newFolder(), "site");
const site: Site = { folder, pages: [] };

before(() => {
  const PATH = `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`;
  const script = ["run", "--silent", "docs", "--", "--outDir", folder];
  execFileSync("npm", script, { cwd: root, env: { ...process.env, PATH }, stdio: "pipe" });
  site.pages = globSync("**/*.html", { cwd: folder }).filter((path) => path !== "404.html");
});

describe("the pages of the documentation", () => testPages(site));
describe("the documentation in a browser", { skip: missingForBrowser() ?? false }, () => testInBrowser(site));
