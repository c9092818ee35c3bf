import { type Browser, chromium } from "playwright-core";
import { getProgram } from "./install.ts";

/** What a test needs for a browser and this machine lacks, for its `skip`; undefined when one can be started. */
export function missingForBrowser(): string | undefined {
  try {
    getProgram("chromium");
    return undefined;
  } catch (error) {
    return `${(error as Error).message}: apt-get install chromium`;
  }
}

/** Starts a Chromium without a window; what it writes goes to the folder. It ends with this process at the latest. */
export async function startBrowser(folder: string): Promise<Browser> {
  process.env["TMPDIR"] = folder; // Playwright makes the browser's profile there
  return chromium.launch({ executablePath: getProgram("chromium"), artifactsDir: folder });
}
