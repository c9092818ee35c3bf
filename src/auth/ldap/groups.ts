import { ExtensibleFilter } from "ldapts";
import type { DirectoryConfig, DirectoryServer } from "../../config/directory.ts";
import { isBelow, leadingValue, parseDn } from "../../config/dn.ts";
import { entriesOf } from "./entry.ts";
import type { LdapConnection } from "./connection.ts";
import { ANY, memberFilter } from "./filter.ts";

/** Active Directory names itself in the root entry, and finds groups of groups by a rule of its own. */
const ACTIVE_DIRECTORY = "1.2.840.113556.1.4.800";
const MATCHING_RULE_IN_CHAIN = "1.2.840.113556.1.4.1941";

/** A walk over groups ends after so many of them; a filter names so many members at a time. */
const MAX_GROUPS = 5000;
const MEMBERS_PER_FILTER = 50;

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

/** Finds the groups that a user is in, directly or by way of other groups. */
export class NestedGroups {
  readonly #base: string;
  readonly #isActiveDirectory = new Map<string, boolean>();

  constructor({ groupsBaseDn }: DirectoryConfig) {
    this.#base = groupsBaseDn;
  }

  /** The distinguished names of the groups. */
  async of(dn: string, connection: LdapConnection, server: DirectoryServer): Promise<Set<string>> {
    let known = this.#isActiveDirectory.get(server.url);
    if (known === undefined) {
      known = await isActiveDirectory(connection);
      this.#isActiveDirectory.set(server.url, known);
    }
    return known ? this.#inChain(dn, connection) : this.#walk(dn, connection);
  }

  async #inChain(dn: string, connection: LdapConnection): Promise<Set<string>> {
    const filter = new ExtensibleFilter({ matchType: "member", rule: MATCHING_RULE_IN_CHAIN, value: dn });
    const found = await connection.search({ base: this.#base, scope: "sub", filter, attributes: ["1.1"] });
    return new Set(entriesOf(found, this.#base).map((entry) => entry.dn));
  }

  /** The groups of the user, the groups of those, and so on; each once, even where they go in circles. */
  async #walk(dn: string, connection: LdapConnection): Promise<Set<string>> {
    const groups = new Map<string, string>();
    const queue = [dn];
    while (queue.length > 0 && groups.size < MAX_GROUPS) {
      const filter = memberFilter(queue.splice(0, MEMBERS_PER_FILTER));
      const found = await connection.search({ base: this.#base, scope: "sub", filter, attributes: ["1.1"] });
      for (const entry of entriesOf(found, this.#base)) {
        const key = entry.dn.toLowerCase();
        if (groups.has(key)) continue;
        groups.set(key, entry.dn);
        queue.push(entry.dn);
      }
    }
    return new Set(groups.values());
  }
}

/** Whether the server says that it is Active Directory (MS-ADTS 3.1.1.3.4.3.1). */
export async function isActiveDirectory(connection: LdapConnection): Promise<boolean> {
  const found = await connection.search({
    base: "",
    scope: "base",
    filter: ANY,
    attributes: ["supportedCapabilities"],
    limit: 1,
  });
  return entriesOf(found, "").some((entry) => entry.all("supportedCapabilities").includes(ACTIVE_DIRECTORY));
}
