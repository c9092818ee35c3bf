import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { STARTED } from "./in-page.ts";

/** The site as its tests see it. */
export interface Site {
  readonly folder: string;
  /** The paths of its pages. */
  pages: readonly string[];
}

/** The window of a desk. */
export const WIDE = { width: 1280, height: 900 };

const TIMEOUT = 15_000;

/** Waits until an expression is true in the page; Playwright's own way is code that the site's policy forbids. */
export async function until(page: Page, expression: string): Promise<void> {
  for (const end = Date.now() + TIMEOUT; (await page.evaluate(expression)) !== true; await delay(20))
    assert.ok(Date.now() < end, expression);
}

/** A browser's page on the site. */
export interface Visit {
  readonly page: Page;
  /** Whatever goes wrong: requests that fail or leave the site, the console. */
  readonly troubles: readonly string[];
  /** Goes to a page, and waits until its scripts are at work. */
  readonly visit: (path: string) => Promise<void>;
}

/** Opens a page in a context of its own. */
export async function open(
  browser: Browser,
  root: string,
  options: BrowserContextOptions = {},
): Promise<Visit> {
  const context = await browser.newContext({ viewport: WIDE, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT);
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
  const visit = async (path: string): Promise<void> => {
    await page.goto(root + path);
    await until(page, STARTED);
  };
  return { page, troubles, visit };
}
