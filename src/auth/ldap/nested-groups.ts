import { type Entry, ExtensibleFilter } from "ldapts";
import type { DirectoryConfig, DirectoryServer } from "../../config/directory.ts";
import { AppError } from "../../errors.ts";
import type { LdapConnection } from "./connection.ts";
import { entriesOf } from "./entry.ts";
import { ANY, memberFilter } from "./filter.ts";
import { SplitSearch } from "./split-search.ts";

/** Active Directory names itself in the root entry, and finds groups of groups by a rule of its own. */
const ACTIVE_DIRECTORY = "1.2.840.113556.1.4.800";
const MATCHING_RULE_IN_CHAIN = "1.2.840.113556.1.4.1941";

/** A user in more groups is refused: a part of the groups must not be taken for all of them. */
const MAX_GROUPS = 5000;
const MEMBERS_PER_FILTER = 50;

/** Finds the groups that a user is in, directly or by way of other groups. */
export class NestedGroups {
  readonly #base: string;
  readonly #isActiveDirectory = new Map<string, boolean>();

  constructor({ groupsBaseDn }: DirectoryConfig) {
    this.#base = groupsBaseDn;
  }

  /** The distinguished names of the groups; throws UNAVAILABLE where not all of them can be found. */
  async of(dn: string, connection: LdapConnection, server: DirectoryServer): Promise<Set<string>> {
    let known = this.#isActiveDirectory.get(server.url);
    if (known === undefined) {
      known = await isActiveDirectory(connection);
      this.#isActiveDirectory.set(server.url, known);
    }
    const search = new SplitSearch(connection, this.#base);
    return known ? this.#inChain(dn, search) : this.#walk(dn, search);
  }

  async #inChain(dn: string, search: SplitSearch): Promise<Set<string>> {
    const filter = new ExtensibleFilter({ matchType: "member", rule: MATCHING_RULE_IN_CHAIN, value: dn });
    return new Set((await search.all(filter)).map((entry) => entry.dn));
  }

  /** The groups of the user, the groups of those, and so on; each once, even where they go in circles. */
  async #walk(dn: string, search: SplitSearch): Promise<Set<string>> {
    const groups = new Map<string, string>();
    const queue = [dn];
    while (queue.length > 0) {
      const found: Entry[] = await search.all(memberFilter(queue.splice(0, MEMBERS_PER_FILTER)));
      for (const entry of found) {
        const key = entry.dn.toLowerCase();
        if (groups.has(key)) continue;
        groups.set(key, entry.dn);
        queue.push(entry.dn);
      }
      if (groups.size > MAX_GROUPS)
        throw new AppError(
          "UNAVAILABLE",
          `directory: ${dn} is in more than ${MAX_GROUPS} groups: set ldap_settings.groups_base_dn to fewer`,
        );
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
