import { type Entry, ExtensibleFilter } from "ldapts";
import type { DirectoryConfig, DirectoryServer } from "../../config/directory.ts";
import { AppError } from "../../errors.ts";
import type { LdapConnection } from "./connection.ts";
import { entriesOf } from "./entry.ts";
import { ANY, memberFilter } from "./filter.ts";
import { SplitSearch } from "./split-search.ts";

/** The capability of Active Directory in the root DSE, and its matching rule for nested groups. */
const ACTIVE_DIRECTORY = "1.2.840.113556.1.4.800";
const MATCHING_RULE_IN_CHAIN = "1.2.840.113556.1.4.1941";

/** The limit of groups per user; beyond it the login fails, because a part of the groups would be wrong. */
const MAX_GROUPS = 5000;
const MEMBERS_PER_FILTER = 50;

/** Finds the direct and nested groups of a user. */
export class NestedGroups {
  readonly #base: string;
  readonly #isActiveDirectory = new Map<string, boolean>();

  constructor({ groupsBaseDn }: DirectoryConfig) {
    this.#base = groupsBaseDn;
  }

  /** The DNs of the groups; throws UNAVAILABLE if not all can be found. */
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

  /** The groups of the user, the groups of those groups, and so on; each once, even if they are circular. */
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

/** Whether the server is Active Directory (MS-ADTS 3.1.1.3.4.3.1). */
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
