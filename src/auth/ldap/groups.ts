import type { DirectoryConfig } from "../../config/directory.ts";
import { isBelow, leadingValue, parseDn } from "../../config/dn.ts";
import { foldDirectoryName, isSameDirectoryName } from "../../db/directory-names.ts";

/** The relevant groups of a directory user. */
export interface Membership {
  readonly mayLogIn: boolean;
  /** Group names without the prefix, each once. */
  readonly groups: readonly string[];
}

/**
 * Reads the DNs of a user's groups. Directories ignore case in names, so prefix and login group are case-insensitive
 * too, and of names that differ only in case the first one is used.
 */
export function readMembership(dns: Iterable<string>, config: DirectoryConfig): Membership {
  const { group, groupsBase = [] } = config;
  const prefix = config.groups_prefix.normalize("NFC");
  const names = [...dns].flatMap((text) => {
    const dn = parseDn(text);
    const name = dn && isBelow(dn, groupsBase) ? leadingValue(dn, "cn") : undefined;
    return name?.normalize("NFC") ?? [];
  });
  const groups = new Map<string, string>();
  for (const name of names) {
    const [start, rest] = [name.slice(0, prefix.length), name.slice(prefix.length)];
    const key = foldDirectoryName(rest);
    if (rest !== "" && isSameDirectoryName(start, prefix) && !groups.has(key)) groups.set(key, rest);
  }
  return {
    mayLogIn: names.some((name) => isSameDirectoryName(name, group)),
    groups: [...groups.values()],
  };
}
