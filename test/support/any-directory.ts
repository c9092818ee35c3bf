import { after, before } from "node:test";
import { AlreadyExistsError } from "ldapts";
import { useActiveDirectory } from "./active-directory.ts";
import { LOGIN_GROUP, DIRECTORY_PASSWORD, useDirectory } from "./directory.ts";
import {
  type AccountOptions,
  type Attributes,
  addEntry,
  type Changes,
  type Editor,
  withClient,
} from "./servers/directories.ts";
import { type Ds389, startDs389 } from "./servers/ds389.ts";
import { Scratch } from "./servers/scratch.ts";
import { UNTHROTTLED } from "./unthrottled.ts";
import { type DatabaseKind, startWorker, type TestWorker } from "./worker.ts";

/** The common interface of all directory servers for tests. */
export interface AnyDirectory {
  readonly changes: Changes;
  /** An account with all permissions. */
  readonly editor: Editor;
  readonly usersDn: string;
  readonly groupsDn: string;
  /** The attribute that holds login names. */
  readonly nameAttribute: string;
  /** The settings of a service account that may search. */
  readonly service: Readonly<Record<string, string>>;
  /** Starts a worker; by default its users bind by name. */
  readonly start: (settings?: object, database?: DatabaseKind, app?: object) => Promise<TestWorker>;
  /** Adds a user who may log in; returns the DN. */
  readonly add: (name: string, groups?: readonly string[], options?: AccountOptions) => Promise<string>;
  /** Adds any other entry; returns its DN. */
  readonly addEntry: (dn: string, attributes: Attributes) => Promise<string>;
  /** Adds an entry to a group, and creates the group if it is missing. */
  readonly join: (group: string, dn: string) => Promise<void>;
  /** Adds a group, which may have the same name as one in another place; returns its DN. */
  readonly addGroup: (cn: string, members: readonly string[], dn?: string) => Promise<string>;
}

/** Starts an OpenLDAP for the calling suite. */
export function useOpenLdap(): AnyDirectory {
  const directory = useDirectory();
  return {
    addEntry: (dn, attributes) => directory.ldap.addEntry(dn, attributes),
    join: (group, dn) => joinGroup(directory.ldap, group, dn),
    get changes() {
      return directory.ldap;
    },
    get editor() {
      const { tlsUrl: url, caFile, rootDn: dn, rootPassword: password } = directory.ldap;
      return { url, caFile, dn, password };
    },
    get usersDn() {
      return directory.ldap.baseDn;
    },
    get groupsDn() {
      return directory.ldap.groupsDn;
    },
    nameAttribute: "sAMAccountName",
    get service() {
      return { bind: "search", ...directory.service };
    },
    start: (settings, database, app) =>
      directory.start(settings, database, { login_throttle: UNTHROTTLED, ...app }),
    add: directory.add,
    addGroup: (cn, member, dn = `cn=${cn},${directory.ldap.groupsDn}`) =>
      directory.ldap.addEntry(dn, { objectClass: "groupOfNames", cn, member }),
  };
}

function useSamba(): AnyDirectory {
  const directory = useActiveDirectory();
  return {
    async addEntry(dn, attributes) {
      await addEntry(this.editor, dn, attributes);
      return dn;
    },
    join: (group, dn) => directory.ad.addMember(group, dn),
    get changes() {
      return directory.ad;
    },
    get editor() {
      const { tlsUrl: url, caFile, adminDn: dn, adminPassword: password } = directory.ad;
      return { url, caFile, dn, password };
    },
    get usersDn() {
      return directory.ad.usersDn;
    },
    get groupsDn() {
      return directory.ad.groupsDn;
    },
    nameAttribute: "sAMAccountName",
    get service() {
      return directory.service;
    },
    start: (settings, database, app) => directory.start(settings, app, database),
    add: directory.add,
    async addGroup(cn, member, dn = `cn=${cn},${directory.ad.groupsDn}`) {
      // Two groups may have the same cn in different places if their sAMAccountName differs.
      const sAMAccountName = `${cn}-${dn.length}`;
      await addEntry(this.editor, dn, { objectClass: "group", cn, sAMAccountName, member });
      return dn;
    },
  };
}

/** Starts a 389 Directory Server for the calling suite. */
export function use389(): AnyDirectory {
  const scratch = new Scratch();
  let server: Ds389 | undefined;
  before(async () => {
    server = await startDs389(scratch);
  });
  after(() => scratch.close());
  return {
    addEntry: (dn, attributes) => server!.addEntry(dn, attributes),
    join: (group, dn) => joinGroup(server!, group, dn),
    get changes() {
      return server!;
    },
    get editor() {
      const { url, rootDn: dn, rootPassword: password } = server!;
      return { url, dn, password };
    },
    get usersDn() {
      return server!.baseDn;
    },
    get groupsDn() {
      return server!.groupsDn;
    },
    nameAttribute: "uid",
    get service() {
      return { bind: "search", bind_dn: server!.serviceDn, bind_password: server!.servicePassword };
    },
    start: (settings = {}, database = "sqlite", app = {}) =>
      startWorker({
        database,
        config: {
          ldap_settings: {
            address: server!.url,
            base_dn: server!.baseDn,
            domain: "example.com",
            user_filter: "(&(objectClass=inetOrgPerson)(uid={username}))",
            bind: `uid={username},${server!.baseDn}`,
            ...settings,
          },
          app_config: { bcrypt_cost: 4, login_throttle: UNTHROTTLED, ...app },
        },
      }),
    add: (name, groups = [], options = {}) =>
      server!.addPerson(name, DIRECTORY_PASSWORD, { groups: [LOGIN_GROUP, ...groups], ...options }),
    addGroup: (cn, member, dn = `cn=${cn},${server!.groupsDn}`) =>
      server!.addEntry(dn, { objectClass: "groupOfNames", cn, member }),
  };
}

async function joinGroup(
  server: Pick<Ds389, "addGroup" | "addMember">,
  group: string,
  dn: string,
): Promise<void> {
  await server.addGroup(group, [dn]).catch((error: unknown) => {
    if (!(error instanceof AlreadyExistsError)) throw error;
    return server.addMember(group, dn);
  });
}

/** Every kind of directory: its key in `missingFor`, its name, and the function that starts one for a suite. */
export const ANY_DIRECTORY = [
  ["openldap", "OpenLDAP", useOpenLdap],
  ["samba", "Active Directory", useSamba],
  ["ds389", "389 Directory Server", use389],
] as const;

/** Renames an entry. */
export async function renameEntry({ editor }: AnyDirectory, dn: string, to: string): Promise<void> {
  await withClient(editor, (client) => client.modifyDN(dn, to));
}
