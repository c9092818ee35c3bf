import { join, resolve } from "node:path";

/** The source of a page. */
export interface Page {
  /** Its path below `pagesFolder`; links use it. */
  readonly path: string;
  /** Markdown. */
  readonly text: string;
}

/** The root of the repository. */
export const root = resolve(import.meta.dirname, "../..");

/** Holds the gathered pages and VitePress's cache. Only files copied here can be on the site. */
export const workFolder = join(root, ".site");

/** The folder from which VitePress builds pages. */
export const pagesFolder = join(workFolder, "pages");

/** Files that are copied to the site unchanged. */
export const filesFolder = join(pagesFolder, "public");
