import { join, resolve } from "node:path";

/** A page of the site before it is one. */
export interface Page {
  /** Its path below the folder of pages; links go by it. */
  readonly path: string;
  /** Markdown. */
  readonly text: string;
}

/** The repository. */
export const root = resolve(import.meta.dirname, "../..");

/** Where the pages are gathered, and what VitePress keeps beside them. Only what is copied here can come to the site. */
export const workFolder = join(root, ".site");

/** The folder that VitePress takes the pages from. */
export const pagesFolder = join(workFolder, "pages");

/** Files in it are on the site as they are. */
export const filesFolder = join(pagesFolder, "public");
