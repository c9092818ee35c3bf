import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { root } from "../../docs/.vitepress/page.ts";
import { serveFolder } from "../../docs/.vitepress/server.ts";
import { startBrowser } from "../support/servers/browser.ts";
import { Scratch } from "../support/servers/scratch.ts";
import { ACCESSIBILITY, ASIDE, DIAGRAM, FOCUS, FOUND, OVERFLOWS, PALE } from "./in-page.ts";
import { SEARCH_TERMS } from "./search-terms.ts";
import { open, type Site, until, WIDE } from "./visit.ts";

const NARROW = { width: 375, height: 812 };
/** The smallest window that WCAG 2.2 requires (1.4.10). */
const NARROWEST = { width: 320, height: 256 };

/** Samples of each kind of page: text, tables, queues, code. */
const SAMPLES = ["", "docs/configuration.html", "docs/protocol.html", "queues/", "queues/login.html"];

/** The title of a document. */
function titleOf(path: string): string {
  const [, title = ""] = /^# (.+)$/m.exec(readFileSync(join(root, path), "utf8")) ?? [];
  return title;
}

/** Tests the built site in a browser. */
export function testInBrowser(site: Site): void {
  const scratch = new Scratch();
  let browser: Browser;
  let served: Awaited<ReturnType<typeof serveFolder>>;

  before(async () => {
    browser = await startBrowser(scratch.subfolder("browser"));
    served = await serveFolder(site.folder, await scratch.freePort());
  });

  after(async () => {
    await browser.close();
    await served[Symbol.asyncDispose]();
  });
  after(() => scratch.close());

  // Some 150 pages, each in two sizes.
  const allPages = { timeout: 400_000 };
  test(
    "every page is whole, asks for nothing elsewhere, says nothing on the console, and fits the window",
    allPages,
    async () => {
      const { page, troubles, visit } = await open(browser, served.url);
      const sizes = [WIDE, NARROW];
      assert.ok(site.pages.length > 80, `${site.pages.length} pages`);
      for (const path of site.pages) {
        await visit(path);
        assert.deepEqual(await page.evaluate(ACCESSIBILITY), [], path);
        assert.equal(await page.evaluate(OVERFLOWS), false, `${path}, ${sizes[0]!.width} wide`);
        sizes.reverse(); // start the next page with the current size, to save a resize
        await page.setViewportSize(sizes[0]!);
        assert.equal(await page.evaluate(OVERFLOWS), false, `${path}, ${sizes[0]!.width} wide`);
      }
      await page.setViewportSize(NARROWEST);
      for (const path of SAMPLES) {
        await visit(path);
        assert.equal(await page.evaluate(OVERFLOWS), false, `${path}, ${NARROWEST.width} wide`);
      }
      assert.deepEqual(troubles, []);
      await page.context().close();
    },
  );

  test("a click leads from page to page and to a part of one; where there is no room the way is in a menu", async () => {
    const { page, troubles, visit } = await open(browser, served.url);
    await visit("");
    const beside = page.getByRole("navigation", { name: "Sidebar Navigation" });
    const title = titleOf("docs/configuration.md");
    await beside.getByRole("link", { name: title, exact: true }).click();
    await page.waitForURL(`${served.url}docs/configuration.html`);
    await until(page, `document.title === ${JSON.stringify(`${title} | authmq`)}`);
    const parts = page.getByRole("navigation", { name: "On this page" });
    await parts.getByRole("link", { name: "ldap_settings" }).click();
    await page.waitForURL(`${served.url}docs/configuration.html#ldap_settings`);
    // Below the page header.
    await until(
      page,
      "(({ top }) => top > 50 && top < 200)(document.querySelector('#ldap_settings').getBoundingClientRect())",
    );
    await page.locator('main a[href="/docs/directory.html"]').first().click();
    await page.getByRole("heading", { level: 1, name: titleOf("docs/directory.md") }).waitFor();
    await page.setViewportSize(NARROW);
    await until(page, ASIDE);
    await page.getByRole("button", { name: "Menu", exact: true }).click();
    await beside.getByRole("link", { name: "Queues", exact: true }).click();
    await page.getByRole("main").getByRole("link", { name: "group_add_user" }).click();
    await page.waitForURL(`${served.url}queues/group_add_user.html`);
    assert.deepEqual(troubles, []);
    await page.context().close();
  });

  test("light and dark differ, and every text stands out from what is behind it in both", async () => {
    const backgrounds = new Set<unknown>();
    const { page, visit } = await open(browser, served.url);
    for (const path of SAMPLES) {
      await visit(path);
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        await page.locator(colorScheme === "dark" ? "html.dark" : "html:not(.dark)").waitFor();
        assert.deepEqual(await page.evaluate(PALE), [], `${path}, ${colorScheme}`);
        backgrounds.add(await page.evaluate("getComputedStyle(document.body).backgroundColor"));
      }
    }
    assert.equal(backgrounds.size, 2);
    await page.context().close();
  });

  test("a switch chooses between light and dark, also for later pages", async () => {
    const { page, troubles, visit } = await open(browser, served.url, { colorScheme: "light" });
    await visit("");
    await page.getByRole("switch").click();
    await page.locator("html.dark").waitFor();
    await visit("docs/protocol.html");
    assert.equal(await page.locator("html.dark").count(), 1);
    assert.deepEqual(troubles, []);
    await page.context().close();
  });

  test("whoever has no pointer sees where they are, and can skip the navigation", async () => {
    const { page, visit } = await open(browser, served.url);
    await visit("docs/protocol.html");
    for (let step = 0; step < 6; step++) {
      await page.keyboard.press("Tab");
      assert.deepEqual(await page.evaluate(FOCUS), {
        outlineStyle: "solid",
        outlineWidth: "3px",
        isSeen: true,
      });
    }
    await visit("docs/protocol.html");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate("document.activeElement.closest('#VPContent') !== null"), true);
    await page.context().close();
  });

  test("the search finds a key and a queue by their names, and goes there", async () => {
    const { page, troubles, visit } = await open(browser, served.url);
    await visit("docs/adr/");
    for (const [words, found, address] of [
      ["heartbeat amqp_settings", /amqp_settings/, "docs/configuration.html#amqp_settings"],
      ["group_add_user", /group_add_user/, "queues/group_add_user.html"],
    ] as const) {
      await page.keyboard.press("Control+k");
      const search = page.getByRole("searchbox");
      await search.fill("no such words anywhere");
      await page.getByText("No results for").waitFor();
      await search.fill(words);
      const first = page.getByRole("option").first();
      await first.waitFor();
      assert.match((await first.textContent()) ?? "", found);
      await search.press("Enter");
      await page.waitForURL((url) => url.href.startsWith(served.url + address));
    }
    assert.deepEqual(troubles, []);
    await page.context().close();
  });

  test("the search finds the right page among the first three results", async () => {
    const { page, troubles, visit } = await open(browser, served.url);
    await visit("");
    await page.keyboard.press("Control+k");
    const search = page.getByRole("searchbox");
    const missed: string[] = [];
    for (const [term, ...pages] of SEARCH_TERMS) {
      await search.fill("no such words anywhere");
      await page.getByText("No results for").waitFor();
      await search.fill(term);
      await page.getByRole("option").first().waitFor();
      const found = (await page.evaluate<string[]>(FOUND)).slice(0, 3);
      const isThere = pages.some((path) => found.some((address) => address.startsWith(`/${path}.html`)));
      if (!isThere) missed.push(`${term}: ${found.join(", ")}`);
    }
    assert.deepEqual(missed, []);
    assert.deepEqual(troubles, []);
    await page.context().close();
  });

  test("the search finds a guide before the decision that it comes from", async () => {
    const { page, troubles, visit } = await open(browser, served.url);
    await visit("");
    for (const words of ["keytab", "Kerberos", "LDAP groups"]) {
      await page.keyboard.press("Control+k");
      await page.getByRole("searchbox").fill(words);
      await page.getByRole("option").first().waitFor();
      const found = await page.evaluate<string[]>(FOUND);
      const isDecision = found.map((address) => address.startsWith("/docs/adr/"));
      assert.ok(!isDecision[0], `${words}: ${found.join(" ")}`);
      assert.deepEqual(isDecision, isDecision.toSorted(), `${words}: ${found.join(" ")}`);
      await page.keyboard.press("Escape");
    }
    assert.deepEqual(troubles, []);
    await page.context().close();
  });

  test("in a narrow window a diagram scrolls in its own box, at a readable size", async () => {
    const { page, visit } = await open(browser, served.url, { viewport: NARROW });
    await visit("docs/performance.html");
    assert.deepEqual(await page.evaluate(DIAGRAM), { scrolls: true, tabIndex: 0, width: 820 });
    await page.context().close();
  });

  test("without a pointer the button to copy code is visible", async () => {
    const { page, visit } = await open(browser, served.url, {
      hasTouch: true,
      isMobile: true,
      viewport: NARROW,
    });
    await visit("queues/login.html");
    const opacity = "getComputedStyle(document.querySelector('div.language-json button.copy')).opacity";
    assert.equal(await page.evaluate(opacity), "1");
    await page.context().close();
  });

  test("a button copies a block of code", async () => {
    const { page, troubles, visit } = await open(browser, served.url, {
      permissions: ["clipboard-read", "clipboard-write"],
    });
    await visit("queues/login.html");
    const block = page.locator("div.language-json").first();
    await block.hover();
    await block.getByRole("button", { name: "Copy Code" }).click();
    await block.locator("button.copied").waitFor();
    const copied = JSON.parse(String(await page.evaluate("navigator.clipboard.readText()"))) as unknown;
    assert.deepEqual(copied, JSON.parse((await block.locator("code").textContent()) ?? ""));
    assert.deepEqual(troubles, []);
    await page.context().close();
  });

  test("without scripts the text is there, and so is the way to other pages", async () => {
    const { page } = await open(browser, served.url, { javaScriptEnabled: false });
    await page.goto(`${served.url}queues/login.html`);
    const title = titleOf("docs/protocol.md");
    assert.equal(await page.getByText("kerberos_ticket", { exact: true }).first().isVisible(), true);
    await page
      .getByRole("navigation", { name: "Sidebar Navigation" })
      .getByRole("link", { name: title, exact: true })
      .click();
    assert.equal((await page.locator("main h1").textContent())?.startsWith(title), true);
    await page.context().close();
  });

  test("on paper there is the text and nothing around it", async () => {
    const { page, visit } = await open(browser, served.url);
    await visit("docs/protocol.html");
    await page.emulateMedia({ media: "print" });
    assert.equal(await page.getByRole("navigation").count(), 0);
    assert.equal(await page.getByRole("banner").count(), 0);
    assert.equal(await page.getByRole("heading", { level: 1 }).isVisible(), true);
    await page.context().close();
  });
}
