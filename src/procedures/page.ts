import { z } from "zod";
import type { Page, PageOfNames } from "../db/queries/pages.ts";
import { anyName } from "./fields.ts";

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;

const limit = `must be a whole number from 1 to ${MAX_LIMIT}`;

/** The request fields for pagination. */
export const pageFields = {
  limit: z
    .int(limit)
    .min(1, limit)
    .max(MAX_LIMIT, limit)
    .optional()
    .describe(
      `maximum number of names; ${DEFAULT_LIMIT} by default, or all names if limit, after and q are absent`,
    ),
  after: anyName().optional().describe("cursor: `next` of the previous page"),
  q: anyName().optional().describe("prefix filter"),
};

/** The cursor in a reply. */
export const next = z
  .string()
  .optional()
  .describe("cursor for the next page: pass it as `after`; absent on the last page");

/** The requested page; undefined for the whole list. */
export function pageOf(given: {
  readonly limit?: number | undefined;
  readonly after?: string | undefined;
  readonly q?: string | undefined;
}): Page | undefined {
  if (given.limit === undefined && given.after === undefined && given.q === undefined) return undefined;
  return { limit: given.limit ?? DEFAULT_LIMIT, after: given.after, prefix: given.q };
}

/** The `next` field of a reply; empty on the last page. */
export function cursorOf({ next: cursor }: PageOfNames): { next?: string } {
  return cursor === undefined ? {} : { next: cursor };
}
