import { randomBytes } from "node:crypto";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AlreadyExistsError } from "ldapts";
import {
  type AccountOptions,
  type Attributes,
  addEntry,
  type Changes,
  changesBy,
  escapeDn,
  withClient,
} from "./directories.ts";
import { DS389_FOLDERS, ds389Conf } from "./ds389-conf.ts";
import { getProgram } from "./install.ts";
import { type Scratch, waitUntil } from "./scratch.ts";

const HOST = "127.0.0.1";
const SUFFIX = "dc=example,dc=com";
const BASE = `ou=people,${SUFFIX}`;
const GROUPS = `ou=groups,${SUFFIX}`;
const SERVICE = `cn=service,${SUFFIX}`;
const ROOT = "cn=Directory Manager";
const BACKEND = "userRoot";

/** A private 389 Directory Server on loopback, without TLS; it maintains memberOf, including indirect groups. */
export interface Ds389 extends Changes {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly suffix: string;
  /** The parent of users. */
  readonly baseDn: string;
  readonly groupsDn: string;
  /** May read everything except passwords, like every user. */
  readonly serviceDn: string;
  readonly servicePassword: string;
  /** Has all permissions. */
  readonly rootDn: string;
  readonly rootPassword: string;
  /** Undefined while it does not run. */
  readonly pid: number | undefined;
  /** The DN of a user added by `addPerson`. */
  dnOf(uid: string): string;
  /** Adds an inetOrgPerson with its name as uid; returns its DN. */
  addPerson(uid: string, password: string, options?: AccountOptions): Promise<string>;
  /** Adds any other entry; returns its DN. */
  addEntry(dn: string, attributes: Attributes): Promise<string>;
  /** Adds a groupOfNames; returns its DN. */
  addGroup(cn: string, members?: readonly string[]): Promise<string>;
  /** Sets attributes of the global password policy, for example passwordMustChange or passwordLockout. */
  setPolicy(attributes: Attributes): Promise<void>;
  /** Stops it if it runs, and starts it again with the same port and data. */
  restart(): Promise<void>;
  /** Resolves when it has ended; may be called twice. */
  stop(): Promise<void>;
}

/** Starts a 389 Directory Server (in a second), and resolves when it responds. */
export async function startDs389(scratch: Scratch): Promise<Ds389> {
  const port = await scratch.freePort();
  const name = `ds389-${port}`;
  const url = `ldap://${HOST}:${port}`;
  const rootPassword = randomBytes(12).toString("hex");
  const servicePassword = randomBytes(12).toString("hex");
  const folder = scratch.subfolder(name);
  for (const subfolder of DS389_FOLDERS) scratch.subfolder(join(name, subfolder));
  const root = { dn: ROOT, password: rootPassword };
  const text = ds389Conf({ folder, host: HOST, port, suffix: SUFFIX, root });
  writeFileSync(join(folder, "dse.ldif"), text, { mode: 0o600 });
  // The additional schema of FreeIPA's entries.
  copyFileSync("/usr/share/dirsrv/data/60kerberos.ldif", join(folder, "schema", "60kerberos.ldif"));

  // An explicit debug level keeps it in the foreground.
  const args = ["-D", folder, "-i", join(folder, "run", "pid"), "-d", "0"];
  const server = scratch.process(getProgram("ns-slapd"), args, { name, env: { PATH: process.env["PATH"] } });
  const editor = { url, dn: ROOT, password: rootPassword };
  const start = async (): Promise<void> => {
    await server.start();
    await waitUntil("389 Directory Server", () => withClient(editor, async () => true), {
      died: () => server.died(),
    });
  };
  await start();
  const groupDn = (cn: string): string => `cn=${escapeDn(cn)},${GROUPS}`;
  const dnOf = (uid: string): string => `uid=${escapeDn(uid)},${BASE}`;
  const changes = changesBy(editor, groupDn);
  const add = async (dn: string, attributes: Attributes): Promise<string> => {
    await addEntry(editor, dn, attributes);
    return dn;
  };
  const addGroup = (cn: string, members: readonly string[] = []): Promise<string> =>
    add(groupDn(cn), { objectClass: "groupOfNames", cn, member: members });

  await addSuffix(add);
  await add(BASE, { objectClass: "organizationalUnit", ou: "people" });
  await add(GROUPS, { objectClass: "organizationalUnit", ou: "groups" });
  await add(SERVICE, { objectClass: "person", cn: "service", sn: "service", userPassword: servicePassword });
  return {
    url,
    host: HOST,
    port,
    suffix: SUFFIX,
    baseDn: BASE,
    groupsDn: GROUPS,
    serviceDn: SERVICE,
    servicePassword,
    rootDn: ROOT,
    rootPassword,
    get pid() {
      return server.pid;
    },
    dnOf,
    addEntry: add,
    async addPerson(uid, userPassword, { groups = [], mail = [], dn = dnOf(uid), attributes } = {}) {
      await add(dn, {
        objectClass: "inetOrgPerson",
        uid,
        cn: uid,
        sn: uid,
        userPassword,
        mail,
        ...attributes,
      });
      for (const group of groups) {
        await addGroup(group, [dn]).catch((error: unknown) => {
          if (!(error instanceof AlreadyExistsError)) throw error;
          return changes.addMember(group, dn);
        });
      }
      return dn;
    },
    addGroup,
    setPolicy: (attributes) => changes.setAttributes("cn=config", attributes),
    ...changes,
    async restart() {
      await server.kill();
      await start();
    },
    stop: () => server.kill(),
  };
}

/** Creates the database and its root entry. Users may read everything except passwords, and change their own. */
async function addSuffix(add: (dn: string, attributes: Attributes) => Promise<string>): Promise<void> {
  await add(`cn=${BACKEND},cn=ldbm database,cn=plugins,cn=config`, {
    objectClass: ["extensibleObject", "nsBackendInstance"],
    cn: BACKEND,
    "nsslapd-suffix": SUFFIX,
    "nsslapd-cachememsize": "2097152",
    "nsslapd-dncachememsize": "1048576",
  });
  await add(`cn=${escapeDn(SUFFIX)},cn=mapping tree,cn=config`, {
    objectClass: ["extensibleObject", "nsMappingTree"],
    cn: SUFFIX,
    "nsslapd-state": "backend",
    "nsslapd-backend": BACKEND,
  });
  await add(SUFFIX, {
    objectClass: "domain",
    dc: "example",
    aci: [
      '(targetattr != "userPassword")(version 3.0; acl "read"; allow (read, search, compare) userdn = "ldap:///all";)',
      '(targetattr = "userPassword")(version 3.0; acl "own password"; allow (write) userdn = "ldap:///self";)',
    ],
  });
}
