import { randomInt, randomUUID } from "node:crypto";
import { AndFilter, EqualityFilter, type Filter, OrFilter, PresenceFilter, SubstringFilter } from "ldapts";
import type { DirectoryConfig, DirectoryServer } from "../../config/directory.ts";
import { leadingValue, parseDn } from "../../config/dn.ts";
import { bindName } from "./bind-name.ts";
import { type LdapConnection, type LdapRefusal, Unreachable, withConnection } from "./connection.ts";
import { type DirectoryEntry, entriesOf } from "./entry.ts";
import { ANY, anyUserFilter } from "./filter.ts";
import { parseGeneralizedTime } from "./generalized-time.ts";
import { idAttributes, idsOf } from "./identity.ts";
import { isActiveDirectory } from "./nested-groups.ts";

/** The maximum number of groups to read. */
export const MAX_GROUPS = 100;

/** The maximum number of users to read; usual limits of servers allow it. */
const MAX_USERS = 500;

const GROUP_CLASSES = ["group", "groupOfNames", "groupOfUniqueNames", "groupOfMembers", "groupOfURLs"];

/** The properties of a directory server, and what the service account finds on it. */
export interface LdapServerFacts {
  readonly product: string;
  /** How far its clock is ahead of this host's, in milliseconds; undefined if it does not return the time. */
  readonly ahead: number | undefined;
  /** The result for a bind name of an unknown user: 49 if its format is right; undefined with bind `search`. */
  readonly nameRefused: LdapRefusal | undefined;
  /** A refusal if the service account cannot bind; undefined without a bind as service account. */
  readonly found: Found | LdapRefusal | undefined;
}

/** Options of a probe. */
export interface Probe {
  /** Whether to bind as the service account; a wrong password that is sent to each server may lock the account. */
  readonly bindService: boolean;
}

/** What the service account finds; refusals if it may not search. */
interface Found {
  /** Whether an entry below base_dn has the login name attribute of user_filter. */
  readonly users: boolean | LdapRefusal;
  /** Whether that entry has a permanent id. */
  readonly showsIds: boolean;
  /** Login names of some users; empty if the server does not return them. */
  readonly names: readonly string[];
  /** Whether the login group exists. */
  readonly loginGroup: boolean | LdapRefusal;
  /** Names of groups with the prefix, at most MAX_GROUPS. */
  readonly groups: readonly string[] | LdapRefusal;
}

/** Reads the properties of a server without changing it; throws Unreachable if it cannot be used within timeout_ms. */
export async function probeServer(
  config: DirectoryConfig,
  server: DirectoryServer,
  { bindService }: Probe,
): Promise<LdapServerFacts> {
  const { ca, service, timeout_ms: timeout } = config;
  return withConnection(server, { ca, timeout }, async (connection) => {
    const root = await readRoot(connection);
    const name = bindName(config, `authmq-doctor-${randomInt(1e9)}`);
    const nameRefused = name === undefined ? undefined : await connection.bind(name, randomUUID());
    if (service === undefined || !bindService) return { ...root, nameRefused, found: undefined };
    const refusal = await connection.bind(service.dn, service.password);
    return { ...root, nameRefused, found: refusal ?? (await look(connection, config)) };
  });
}

async function readRoot(connection: LdapConnection): Promise<Pick<LdapServerFacts, "product" | "ahead">> {
  const before = Date.now();
  const found = await connection.search({
    base: "",
    scope: "base",
    filter: ANY,
    attributes: ["objectClass", "vendorName", "vendorVersion", "currentTime"],
    limit: 1,
  });
  const now = (before + Date.now()) / 2;
  const root = "code" in found ? undefined : entriesOf(found, "")[0];
  if (root === undefined) return { product: "an unknown directory", ahead: undefined };
  const time = parseGeneralizedTime(root.first("currentTime") ?? "");
  const ahead = time === undefined ? undefined : time - now;
  return { product: nameOf(root, await isActiveDirectory(connection)), ahead };
}

function nameOf(root: DirectoryEntry, active: boolean): string {
  const vendor = root.first("vendorName")?.replace(/ *\(.*/, "");
  if (active) return vendor === undefined ? "Active Directory" : `Active Directory (${vendor})`;
  if (root.all("objectClass").includes("OpenLDAProotDSE")) return "OpenLDAP";
  return [vendor, root.first("vendorVersion")].filter(Boolean).join(" ") || "an unknown directory";
}

async function look(connection: LdapConnection, config: DirectoryConfig): Promise<Found> {
  const { base_dn, group, groups_prefix: prefix, groupsBaseDn, userFilter } = config;
  const search = (base: string, filter: Filter, limit: number) =>
    connection.search({ base, scope: "sub", filter, attributes: ["1.1"], limit });

  const isUser = new PresenceFilter({ attribute: userFilter.nameAttribute });
  const ids = idAttributes(config);
  const users = await connection.search({
    ...{ base: base_dn, scope: "sub", filter: isUser, limit: 1 },
    ...{ attributes: ids, binary: ids },
  });
  const byName = new EqualityFilter({ attribute: "cn", value: group });
  const login = await search(groupsBaseDn, byName, MAX_GROUPS);
  const byPrefix =
    prefix === ""
      ? new PresenceFilter({ attribute: "cn" })
      : new SubstringFilter({ attribute: "cn", initial: prefix });
  const classes = GROUP_CLASSES.map((value) => new EqualityFilter({ attribute: "objectClass", value }));
  const isGroup = new OrFilter({ filters: classes });
  const groups = await search(groupsBaseDn, new AndFilter({ filters: [isGroup, byPrefix] }), MAX_GROUPS);
  return {
    users: "code" in users ? users : users.length > 0,
    showsIds: "code" in users || entriesOf(users, base_dn).every((entry) => idsOf(entry, config).length > 0),
    names: await loginNames(connection, config),
    loginGroup:
      "code" in login ? login : namesOf(login).some((name) => name.toLowerCase() === group.toLowerCase()),
    groups: "code" in groups ? groups : namesOf(groups),
  };
}

/** Excludes machine accounts of Active Directory, whose names end with a dollar sign. */
async function loginNames(connection: LdapConnection, config: DirectoryConfig): Promise<string[]> {
  const { base_dn: base, userFilter } = config;
  const { nameAttribute } = userFilter;
  const filter = anyUserFilter(userFilter);
  const request = { base, scope: "sub", filter, attributes: [nameAttribute], limit: MAX_USERS } as const;
  try {
    const found = await connection.search(request);
    if ("code" in found) return [];
    return entriesOf(found, base)
      .flatMap((entry) => entry.first(nameAttribute) ?? [])
      .filter((name) => !name.endsWith("$"));
  } catch (error) {
    // A server with a lower size limit may reject the request.
    if (error instanceof Unreachable && error.answered) return [];
    throw error;
  }
}

/** Memberships contain DNs, so read the group name from the DN. */
function namesOf(entries: readonly { dn: string }[]): string[] {
  return entries.flatMap(({ dn }) => leadingValue(parseDn(dn) ?? [], "cn") ?? []);
}
