import { type Browser, chromium } from "playwright-core";
import { getProgram } from "./install.ts";

/** What is missing on this machine for a browser, for a test's `skip`; undefined if it can be started. */
export function missingForBrowser(): string | undefined {
  try {
    getProgram("chromium");
    return undefined;
  } catch (error) {
    return `${(error as Error).message}: apt-get install chromium`;
  }
}

/** Starts a headless Chromium that writes to the folder. It ends with this process at the latest. */
export async function startBrowser(folder: string): Promise<Browser> {
  process.env["TMPDIR"] = folder; // Playwright creates the browser's profile there
  return chromium.launch({ executablePath: getProgram("chromium"), artifactsDir: folder });
}
