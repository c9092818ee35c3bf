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

/** More groups than this are not counted. */
export const MAX_GROUPS = 100;

/** More users than this are not read, to see what names they have: what servers give without a word to their limits. */
const MAX_USERS = 500;

const GROUP_CLASSES = ["group", "groupOfNames", "groupOfUniqueNames", "groupOfMembers", "groupOfURLs"];

/** What a directory server says of itself, and what the service account finds on it. */
export interface LdapServerFacts {
  readonly product: string;
  /** How far its clock is ahead of this host's, in milliseconds; undefined where it does not tell the time. */
  readonly ahead: number | undefined;
  /** What it says of a name that `bind` makes of no user's: 49 when it understands it; undefined where users are searched. */
  readonly nameRefused: LdapRefusal | undefined;
  /** Undefined without a service account or an attempt to bind as it, the refusal where it may not bind. */
  readonly found: Found | LdapRefusal | undefined;
}

/** What is looked for on a server. */
export interface Probe {
  /** Whether to bind as the service account: a refused password that is sent to each server may lock the account. */
  readonly bindService: boolean;
}

/** What the service account finds; a refusal where it may not look. */
interface Found {
  /** Whether an entry below base_dn has the attribute that user_filter compares with the name. */
  readonly users: boolean | LdapRefusal;
  /** Whether that entry has an id that tells it from another one of the same name. */
  readonly showsIds: boolean;
  /** Login names of users, a part of them where there are many; none where the server does not give them. */
  readonly names: readonly string[];
  /** Whether the login group is there. */
  readonly loginGroup: boolean | LdapRefusal;
  /** Names of groups with the prefix, MAX_GROUPS at most. */
  readonly groups: readonly string[] | LdapRefusal;
}

/** Looks at one server and changes nothing on it; throws Unreachable when it cannot be used within timeout_ms. */
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
  if (root === undefined) return { product: "a directory that does not say which", ahead: undefined };
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

/** Machines have accounts too, in Active Directory, and log in nowhere here: their names end with a dollar sign. */
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
    // A server with a lower limit may refuse to be asked for so many.
    if (error instanceof Unreachable && error.answered) return [];
    throw error;
  }
}

/** A membership names a group by its DN, so that is where its name is read. */
function namesOf(entries: readonly { dn: string }[]): string[] {
  return entries.flatMap(({ dn }) => leadingValue(parseDn(dn) ?? [], "cn") ?? []);
}
