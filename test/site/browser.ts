import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { serveFolder } from "../../docs/.vitepress/server.ts";
import { startBrowser } from "../support/servers/browser.ts";
import { Scratch } from "../support/servers/scratch.ts";
import { ACCESSIBILITY, ASIDE, FOCUS, OVERFLOWS, PALE } from "./in-page.ts";
import { open, type Site, until, WIDE } from "./visit.ts";

const NARROW = { width: 390, height: 844 };
/** The smallest window that WCAG 2.2 requires (1.4.10). */
const NARROWEST = { width: 320, height: 256 };

/** Representative pages: text, tables, queues, code. */
const SAMPLES = ["", "docs/configuration.html", "docs/protocol.html", "queues/", "queues/login.html"];

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

  test("every page is whole, asks for nothing elsewhere, says nothing on the console, and fits the window", async () => {
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
  });

  test("a click leads from page to page and to a part of one; where there is no room the way is in a menu", async () => {
    const { page, troubles, visit } = await open(browser, served.url);
    await visit("");
    const beside = page.getByRole("navigation", { name: "Sidebar Navigation" });
    await beside.getByRole("link", { name: "Configuration" }).click();
    await page.waitForURL(`${served.url}docs/configuration.html`);
    await until(page, "document.title === 'Configuration | authmq'");
    const parts = page.getByRole("navigation", { name: "On this page" });
    await parts.getByRole("link", { name: "ldap_settings" }).click();
    await page.waitForURL(`${served.url}docs/configuration.html#ldap_settings`);
    // Below the page header.
    await until(
      page,
      "(({ top }) => top > 50 && top < 200)(document.querySelector('#ldap_settings').getBoundingClientRect())",
    );
    await page.getByRole("main").getByRole("link", { name: "directory.md", exact: true }).first().click();
    await page
      .getByRole("heading", { level: 1, name: "Users from a directory or a Kerberos realm" })
      .waitFor();
    await page.setViewportSize(NARROW);
    await until(page, ASIDE);
    await page.getByRole("button", { name: "Menu", exact: true }).click();
    await beside.getByRole("link", { name: "Queues" }).click();
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
      ["heartbeat amqp_settings", /Configuration.*amqp_settings/s, "docs/configuration.html#amqp_settings"],
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
    assert.equal(await page.getByText("kerberos_ticket", { exact: true }).first().isVisible(), true);
    await page
      .getByRole("navigation", { name: "Sidebar Navigation" })
      .getByRole("link", { name: "Protocol" })
      .click();
    assert.equal((await page.locator("main h1").textContent())?.startsWith("Protocol"), true);
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
