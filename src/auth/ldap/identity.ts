import { createHash } from "node:crypto";
import type { DirectoryConfig } from "../../config/directory.ts";
import type { DirectoryEntry } from "./entry.ts";

/** In which directories say which entry it is, whatever its name: Active Directory, RFC 4530, 389-ds, FreeIPA. */
const KNOWN: readonly string[] = ["objectGUID", "entryUUID", "nsUniqueId", "ipaUniqueID"];

/** The same in lower case, for a binary value of Active Directory. */
const GUID = "objectguid";

/** As entryUUID and ipaUniqueID are written, and nsUniqueId. */
const UUID = /^(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{8}(?:-[0-9a-f]{8}){3})$/i;

/** What the database holds of an id, in characters, all of them ASCII. */
const MAX_LENGTH = 255;
const PRINTABLE = /^[\x20-\x7e]+$/;

/** The attributes that may hold an entry's id, the preferred one first. */
export function idAttributes({
  id_attribute: chosen,
}: Pick<DirectoryConfig, "id_attribute">): readonly string[] {
  if (chosen === undefined) return KNOWN;
  // In the directory's own spelling, which is how the driver knows binary values.
  const own = KNOWN.find((name) => name.toLowerCase() === chosen.toLowerCase()) ?? chosen;
  return [own, ...KNOWN.filter((name) => name !== own)];
}

/**
 * The ids of an entry as texts, the preferred one first; none where the directory shows none. All of them, because a
 * directory may begin to show another one (389-ds with a plugin), and who was known by the first is no other person then.
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

/** A GUID as Windows writes it: its first three numbers come with the lowest byte first ([MS-DTYP] 2.3.4.2). */
function guidOf(value: Buffer): string {
  const reversed = (from: number, to: number): string =>
    Buffer.from(value.subarray(from, to)).reverse().toString("hex");
  const start = [reversed(0, 4), reversed(4, 6), reversed(6, 8)];
  return [...start, value.toString("hex", 8, 10), value.toString("hex", 10, 16)].join("-");
}
