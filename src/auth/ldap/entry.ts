import type { Entry } from "ldapts";
import { AppError } from "../../errors.ts";
import type { LdapRefusal } from "./connection.ts";
import { adviceOnLdapReason } from "./reason.ts";

/** An entry of the directory. */
export interface DirectoryEntry {
  readonly dn: string;
  /** The text values of an attribute; its name is case-insensitive. */
  all(attribute: string): readonly string[];
  first(attribute: string): string | undefined;
  /** All values as bytes, including those that are not UTF-8 text. */
  bytes(attribute: string): readonly Buffer[];
  /** Whether the server returned only some values of an attribute (MS-ADTS 3.1.1.3.1.3.3). */
  readonly isPartial: boolean;
}

/** The entries that a search found; throws UNAVAILABLE if the search was refused, because the result is unknown. */
export function entriesOf(found: readonly Entry[] | LdapRefusal, base: string): DirectoryEntry[] {
  if ("code" in found)
    throw new AppError(
      "UNAVAILABLE",
      `directory: the search below ${base} failed with ${adviceOnLdapReason(found)}`,
    );
  return found.map(toEntry);
}

function toEntry({ dn, ...attributes }: Entry): DirectoryEntry {
  const values = new Map(
    Object.entries(attributes).map(([name, value]) => [name.toLowerCase(), [value].flat()]),
  );
  const valuesOf = (attribute: string): readonly (string | Buffer)[] =>
    values.get(attribute.toLowerCase()) ?? [];
  // Values that are not UTF-8 are buffers: skip them.
  const all = (attribute: string): readonly string[] =>
    valuesOf(attribute).filter((one) => typeof one === "string");
  const bytes = (attribute: string): readonly Buffer[] => valuesOf(attribute).map((one) => Buffer.from(one));
  const isPartial = values.keys().some((name) => name.includes(";range="));
  return { dn, all, first: (attribute) => all(attribute)[0], bytes, isPartial };
}
