import { resolve } from "node:path";

/** The repository. */
export const root = resolve(import.meta.dirname, "../..");

/** A page before it is one: a document of the repository, or one that is made as if it stood there. */
export interface Draft {
  /** Its path in the repository. */
  readonly file: string;
  /** Markdown. */
  readonly text: string;
}

/** The path on the site of a document's page. */
export function pathOf(file: string): string {
  return file === "README.md" ? "index.html" : file.replace(/\.md$/, ".html");
}
