import type { Entry } from "ldapts";
import { AppError } from "../../errors.ts";
import type { LdapRefusal } from "./connection.ts";
import { adviceOnLdapReason } from "./reason.ts";

/** An entry of the directory, with its attributes as texts. */
export interface DirectoryEntry {
  readonly dn: string;
  /** The values of an attribute, whose name servers write in any case. */
  all(attribute: string): readonly string[];
  first(attribute: string): string | undefined;
  /** The same values as bytes, those that are no text included. */
  bytes(attribute: string): readonly Buffer[];
  /** Whether the server gave only some values of an attribute (MS-ADTS 3.1.1.3.1.3.3). */
  readonly isPartial: boolean;
}

/** The entries that a search found; throws UNAVAILABLE when the search was refused: nobody knows what is there then. */
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
  // What is no text in UTF-8 comes as bytes and says nothing as a text.
  const all = (attribute: string): readonly string[] =>
    valuesOf(attribute).filter((one) => typeof one === "string");
  const bytes = (attribute: string): readonly Buffer[] => valuesOf(attribute).map((one) => Buffer.from(one));
  const isPartial = values.keys().some((name) => name.includes(";range="));
  return { dn, all, first: (attribute) => all(attribute)[0], bytes, isPartial };
}
