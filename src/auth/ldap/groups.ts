import type { DirectoryConfig } from "../../config/directory.ts";
import { isBelow, leadingValue, parseDn } from "../../config/dn.ts";

/** What of a user's groups counts here. */
export interface Membership {
  readonly mayLogIn: boolean;
  /** The names behind the prefix, each once. */
  readonly groups: readonly string[];
}

/** Reads distinguished names of groups. Directories ignore case in names, so the prefix and the login group do, too. */
export function readMembership(dns: Iterable<string>, config: DirectoryConfig): Membership {
  const { group, groups_prefix: prefix, groupsBase = [] } = config;
  const names = [...dns].flatMap((text) => {
    const dn = parseDn(text);
    const name = dn && isBelow(dn, groupsBase) ? leadingValue(dn, "cn") : undefined;
    return name ?? [];
  });
  const groups = names
    .filter((name) => name.toLowerCase().startsWith(prefix.toLowerCase()))
    .map((name) => name.slice(prefix.length))
    .filter((name) => name !== "");
  return {
    mayLogIn: names.some((name) => name.toLowerCase() === group.toLowerCase()),
    groups: [...new Set(groups)],
  };
}
