import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { STARTED } from "./in-page.ts";

/** The built site. */
export interface Site {
  readonly folder: string;
  /** The paths of its pages. */
  pages: readonly string[];
}

/** A desktop window. */
export const WIDE = { width: 1280, height: 900 };

const TIMEOUT = 15_000;

/**
 * Waits until an expression is true in the page; Playwright's own function uses code that the site's policy forbids.
 */
export async function until(page: Page, expression: string): Promise<void> {
  for (const end = Date.now() + TIMEOUT; (await page.evaluate(expression)) !== true; await delay(20))
    assert.ok(Date.now() < end, expression);
}

/** A browser page that visits the site. */
export interface Visit {
  readonly page: Page;
  /** Errors so far: failed requests, requests to other hosts, console messages. */
  readonly troubles: readonly string[];
  /** Opens a page, and waits until its scripts have started. */
  readonly visit: (path: string) => Promise<void>;
}

/** Opens a page in its own browser context. */
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
    // Requests in flight are aborted when the test goes to the next page.
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
