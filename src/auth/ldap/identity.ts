import { createHash } from "node:crypto";
import type { DirectoryConfig } from "../../config/directory.ts";
import type { DirectoryEntry } from "./entry.ts";

/** The attributes for permanent entry ids: Active Directory, RFC 4530, 389 Directory Server, FreeIPA. */
const KNOWN: readonly string[] = ["objectGUID", "entryUUID", "nsUniqueId", "ipaUniqueID"];

/** The attribute with a binary value, in lower case. */
const GUID = "objectguid";

/** The formats of entryUUID and ipaUniqueID, and of nsUniqueId. */
const UUID = /^(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{8}(?:-[0-9a-f]{8}){3})$/i;

/** The maximum length of an id in the database, in ASCII characters. */
const MAX_LENGTH = 255;
const PRINTABLE = /^[\x20-\x7e]+$/;

/** The attributes that may contain an entry's id, the preferred one first. */
export function idAttributes({
  id_attribute: chosen,
}: Pick<DirectoryConfig, "id_attribute">): readonly string[] {
  if (chosen === undefined) return KNOWN;
  // Use the directory's spelling: the driver needs it to recognize binary values.
  const own = KNOWN.find((name) => name.toLowerCase() === chosen.toLowerCase()) ?? chosen;
  return [own, ...KNOWN.filter((name) => name !== own)];
}

/**
 * The ids of an entry as texts, the preferred one first; empty if there are none. Returns all of them, so that a user
 * stays the same person if the directory starts to return another id (389 Directory Server with a plugin).
 */
export function idsOf(
  entry: DirectoryEntry,
  config: Pick<DirectoryConfig, "id_attribute">,
): readonly string[] {
  const [preferred = "", ...others] = idAttributes(config);
  const isKnown = KNOWN.includes(preferred);
  const read = (attribute: string): string[] =>
    entry.bytes(attribute).map((value) => textOf(attribute, value));
  const known = [...(isKnown ? [preferred] : []), ...others].flatMap(read).filter((id) => UUID.test(id));
  const chosen = isKnown ? [] : read(preferred).filter((id) => id !== "");
  return [...new Set([...chosen, ...known])];
}

function textOf(attribute: string, value: Buffer): string {
  if (attribute.toLowerCase() === GUID && value.length === 16) return guidOf(value);
  const text = value.toString("latin1");
  if (UUID.test(text)) return text.toLowerCase();
  if (value.length <= MAX_LENGTH && PRINTABLE.test(text)) return text;
  return value.length * 2 <= MAX_LENGTH
    ? value.toString("hex")
    : createHash("sha256").update(value).digest("hex");
}

/** Formats a GUID like Windows: its first three numbers are little-endian ([MS-DTYP] 2.3.4.2). */
function guidOf(value: Buffer): string {
  const reversed = (from: number, to: number): string =>
    Buffer.from(value.subarray(from, to)).reverse().toString("hex");
  const start = [reversed(0, 4), reversed(4, 6), reversed(6, 8)];
  return [...start, value.toString("hex", 8, 10), value.toString("hex", 10, 16)].join("-");
}
