import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { buildSite } from "../../docs/site/site.ts";
import { missingForBrowser, startBrowser } from "../support/servers/browser.ts";
import { Scratch } from "../support/servers/scratch.ts";
import { ACCESSIBILITY, FOCUS, OVERFLOWS, PALE } from "./in-page.ts";
import { serveFolder } from "./server.ts";

const skip = missingForBrowser() ?? false;
const scratch = new Scratch();
const folder = join(scratch.folder, "site");

const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 390, height: 844 };
/** The least that WCAG 2.2 asks for (1.4.10). */
const NARROWEST = { width: 320, height: 256 };

/** Those that stand for the others: text, tables, queues, code. */
const SAMPLES = [
  "index.html",
  "docs/configuration.html",
  "docs/protocol.html",
  "queues/index.html",
  "queues/login.html",
];

describe("the documentation in a browser", { skip }, () => {
  let pages: readonly string[];
  let browser: Browser;
  let served: Awaited<ReturnType<typeof serveFolder>>;

  before(async () => {
    pages = buildSite(folder);
    browser = await startBrowser(scratch.subfolder("browser"));
    served = await serveFolder(folder, await scratch.freePort());
  });

  after(async () => {
    await browser.close();
    await served[Symbol.asyncDispose]();
  });
  after(() => scratch.close());

  test("every page is whole, asks for nothing elsewhere, says nothing on the console, and fits the window", async () => {
    const { page, troubles } = await open(browser, served.url);
    const sizes = [WIDE, NARROW];
    for (const path of pages) {
      await page.goto(served.url + path);
      assert.deepEqual(await page.evaluate(ACCESSIBILITY), [], path);
      assert.equal(await page.evaluate(OVERFLOWS), false, `${path}, ${sizes[0]!.width} wide`);
      sizes.reverse(); // the next page begins with the size that this one ends with
      await page.setViewportSize(sizes[0]!);
      assert.equal(await page.evaluate(OVERFLOWS), false, `${path}, ${sizes[0]!.width} wide`);
    }
    await page.setViewportSize(NARROWEST);
    for (const path of SAMPLES) {
      await page.goto(served.url + path);
      assert.equal(await page.evaluate(OVERFLOWS), false, `${path}, ${NARROWEST.width} wide`);
    }
    assert.deepEqual(troubles, []);
    await page.context().close();
  });

  test("a click leads from page to page and to a part of one; where there is no room the way is in a menu", async () => {
    const { page, troubles } = await open(browser, served.url);
    await page.goto(`${served.url}index.html`);
    const beside = page.getByRole("navigation", { name: "Pages", exact: true });
    await beside.getByRole("link", { name: "Configuration" }).click();
    assert.equal(await page.title(), "Configuration - authmq");
    await beside.getByRole("link", { name: "ldap_settings" }).click();
    assert.equal(new URL(page.url()).hash, "#ldap_settings");
    const heading = await page.getByRole("heading", { name: "ldap_settings" }).boundingBox();
    assert.ok(heading !== null && heading.y > 50 && heading.y < 200, "below the head of the page");
    await page.getByRole("main").getByRole("link", { name: "directory.md", exact: true }).first().click();
    assert.equal(
      await page.getByRole("heading", { level: 1 }).textContent(),
      "Users from a directory or a Kerberos realm",
    );
    await page.setViewportSize(NARROW);
    assert.equal(await beside.isVisible(), false);
    await page.getByText("Menu", { exact: true }).click();
    await page
      .getByRole("navigation", { name: "Pages, in the menu" })
      .getByRole("link", { name: "Queues" })
      .click();
    await page.getByRole("main").getByRole("link", { name: "group_add_user" }).click();
    assert.equal(new URL(page.url()).pathname, "/queues/group_add_user.html");
    assert.deepEqual(troubles, []);
    await page.context().close();
  });

  test("light and dark differ, and every text stands out from what is behind it in both", async () => {
    const backgrounds = new Set<unknown>();
    const { page } = await open(browser, served.url);
    for (const path of SAMPLES) {
      await page.goto(served.url + path);
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        assert.deepEqual(await page.evaluate(PALE), [], `${path}, ${colorScheme}`);
        backgrounds.add(await page.evaluate("getComputedStyle(document.body).backgroundColor"));
      }
    }
    assert.equal(backgrounds.size, 2);
    await page.context().close();
  });

  test("whoever has no pointer sees where they are, and can skip the navigation", async () => {
    const { page } = await open(browser, served.url);
    await page.goto(`${served.url}docs/protocol.html`);
    for (let step = 0; step < 6; step++) {
      await page.keyboard.press("Tab");
      assert.deepEqual(await page.evaluate(FOCUS), {
        outlineStyle: "solid",
        outlineWidth: "3px",
        isSeen: true,
      });
    }
    await page.reload();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate("document.activeElement.closest('main') !== null"), true);
    await page.context().close();
  });

  test("the search finds a key by its name and goes there, also where nothing serves the pages", async () => {
    const root = pathToFileURL(`${folder}/`).href;
    const { page, troubles } = await open(browser, root);
    await page.goto(`${root}docs/adr/index.html`);
    assert.notEqual(
      await page.evaluate("getComputedStyle(document.body).marginTop"),
      "8px",
      "it has its style",
    );
    const search = page.getByRole("searchbox", { name: "Search" });
    await search.fill("heartbeat amqp_settings");
    const found = page.getByRole("search").getByRole("link");
    assert.match((await found.first().textContent()) ?? "", /amqp_settings/);
    await search.fill("no such words anywhere");
    assert.equal(await page.getByRole("status").textContent(), "Nothing found");
    await search.fill("heartbeat amqp_settings");
    await search.press("Enter");
    await page.waitForURL(`${root}docs/configuration.html#amqp_settings`);
    assert.deepEqual(troubles, []);
    await page.context().close();
  });

  test("without scripts everything is there but the search", async () => {
    const { page } = await open(browser, served.url, { javaScriptEnabled: false, viewport: NARROW });
    await page.goto(`${served.url}queues/login.html`);
    assert.equal(await page.getByRole("searchbox").count(), 0);
    await page.getByText("Menu", { exact: true }).click();
    await page.getByRole("navigation").getByRole("link", { name: "Protocol" }).click();
    assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), "Protocol");
    await page.context().close();
  });

  test("on paper there is the text and nothing around it", async () => {
    const { page } = await open(browser, served.url);
    await page.goto(`${served.url}docs/protocol.html`);
    await page.emulateMedia({ media: "print" });
    assert.equal(await page.getByRole("navigation").count(), 0);
    assert.equal(await page.getByRole("banner").count(), 0);
    assert.ok(await page.getByRole("heading", { level: 1 }).isVisible());
    await page.context().close();
  });
});

/** A page in a context of its own, and whatever goes wrong on it: requests that fail or leave the site, the console. */
async function open(
  browser: Browser,
  root: string,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; troubles: string[] }> {
  const context = await browser.newContext({ viewport: WIDE, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const troubles: string[] = [];
  page.on("console", (message) => troubles.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => troubles.push(`error: ${error.message}`));
  page.on("requestfailed", (request) => {
    // What was asked for last is given up when the test goes on to the next page.
    const reason = request.failure()?.errorText;
    if (reason !== "net::ERR_ABORTED") troubles.push(`${reason}: ${request.url()}`);
  });
  page.on(
    "response",
    (response) => response.ok() || troubles.push(`${response.status()}: ${response.url()}`),
  );
  page.on(
    "request",
    (request) => request.url().startsWith(root) || troubles.push(`elsewhere: ${request.url()}`),
  );
  return { page, troubles };
}
