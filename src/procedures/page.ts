import { z } from "zod";
import type { Page, PageOfNames } from "../db/queries/pages.ts";
import { anyName } from "./fields.ts";

/** Names of one page, unless the request says how many. */
const USUAL = 100;
const MOST = 1000;

const limit = `must be a whole number from 1 to ${MOST}`;

/** The fields of a request that may ask for a part of a list. */
export const pageFields = {
  limit: z
    .int(limit)
    .min(1, limit)
    .max(MOST, limit)
    .optional()
    .describe(
      `how many names at most; ${USUAL} if only after or q is given, all names if none of the three is`,
    ),
  after: anyName().optional().describe("only names after this one: `next` of the previous page"),
  q: anyName().optional().describe("only names that begin with this"),
};

/** The field of a reply that leads to the next page. */
export const next = z.string().optional().describe("where there are more names: give it as `after`");

/** The page that a request asks for; undefined when it asks for the whole list. */
export function pageOf(given: {
  readonly limit?: number | undefined;
  readonly after?: string | undefined;
  readonly q?: string | undefined;
}): Page | undefined {
  if (given.limit === undefined && given.after === undefined && given.q === undefined) return undefined;
  return { limit: given.limit ?? USUAL, after: given.after, prefix: given.q };
}

/** The part of a reply that is the same for every list: a cursor only where there is more. */
export function cursorOf({ next: more }: PageOfNames): { next?: string } {
  return more === undefined ? {} : { next: more };
}
