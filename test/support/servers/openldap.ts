import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { AlreadyExistsError } from "ldapts";
import { makeCertificates } from "./certificates.ts";
import {
  type AccountOptions,
  type Attributes,
  addEntry,
  type Changes,
  changesBy,
  escapeDn,
  withClient,
} from "./directories.ts";
import { getProgram } from "./install.ts";
import { type Scratch, waitUntil } from "./scratch.ts";
import { slapdConf } from "./slapd-conf.ts";

const HOST = "127.0.0.1";
const SUFFIX = "dc=ad,dc=local";
const BASE = `ou=User,${SUFFIX}`;
const GROUPS = `ou=Groups,${SUFFIX}`;
const ROOT = `cn=root,${SUFFIX}`;
const SERVICE = `cn=service,${SUFFIX}`;
/** groupOfNames requires a member: this DN does not exist. */
const NOBODY = `cn=nobody,${SUFFIX}`;

export interface OpenLdapOptions {
  /** Names and addresses in the certificate. */
  hosts?: readonly string[];
  /** Additional global lines of slapd.conf, for example "security simple_bind=128". */
  settings?: readonly string[];
  /** Additional lines at the end of the database section, for example "overlay ppolicy". */
  overlays?: readonly string[];
}

/** A private OpenLDAP on loopback, with users like those of an Active Directory. */
export interface OpenLdap extends Changes {
  /** Also supports StartTLS. */
  readonly url: string;
  readonly tlsUrl: string;
  readonly host: string;
  readonly port: number;
  readonly tlsPort: number;
  /** The CA of the server's certificate. */
  readonly caFile: string;
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
  /** The DN of a user added by `addUser`. */
  dnOf(name: string): string;
  /** Adds an entry of class user with its name as cn and sAMAccountName; returns its DN. */
  addUser(name: string, password: string, options?: AccountOptions): Promise<string>;
  /** Adds an inetOrgPerson with its name as uid; returns its DN. */
  addPerson(uid: string, password: string, options?: AccountOptions): Promise<string>;
  /** Adds any other entry; returns its DN. */
  addEntry(dn: string, attributes: Attributes): Promise<string>;
  /** Adds a groupOfNames; returns its DN. */
  addGroup(cn: string, members?: readonly string[]): Promise<string>;
  /** Stops it if it runs, and starts it again with the same ports and data. */
  restart(): Promise<void>;
  /** Resolves when it has ended; may be called twice. */
  stop(): Promise<void>;
}

/** Starts OpenLDAP, and resolves when it responds. Passwords may be anything but empty. */
export async function startOpenLdap(
  scratch: Scratch,
  { hosts = [HOST, "localhost"], settings = [], overlays = [] }: OpenLdapOptions = {},
): Promise<OpenLdap> {
  const [port, tlsPort] = [await scratch.freePort(), await scratch.freePort()];
  const name = `openldap-${port}`;
  const url = `ldap://${HOST}:${port}`;
  const tlsUrl = `ldaps://${HOST}:${tlsPort}`;
  const rootPassword = randomBytes(12).toString("hex");
  const servicePassword = randomBytes(12).toString("hex");
  const certificates = await makeCertificates(scratch, name, { hosts });
  const folder = scratch.subfolder(name);
  const file = join(folder, "slapd.conf");
  const data = scratch.subfolder(`${name}/data`);
  const root = { dn: ROOT, password: rootPassword };
  const text = slapdConf({ data, suffix: SUFFIX, root, certificates, settings, overlays });
  writeFileSync(file, text, { mode: 0o600 });

  // An explicit debug level keeps it in the foreground; "none" logs only messages that are independent of the level.
  const server = scratch.process(getProgram("slapd"), ["-d", "none", "-h", `${url} ${tlsUrl}`, "-f", file], {
    name,
    env: { PATH: process.env["PATH"] },
  });
  // Over TLS: with `security` in the settings, the plain port refuses passwords.
  const editor = { url: tlsUrl, caFile: certificates.caFile, dn: ROOT, password: rootPassword };
  const start = async (): Promise<void> => {
    await server.start();
    await waitUntil("OpenLDAP", () => withClient(editor, async () => true), { died: () => server.died() });
  };
  await start();
  const groupDn = (cn: string): string => `cn=${escapeDn(cn)},${GROUPS}`;
  const changes = changesBy(editor, groupDn);
  const add = async (dn: string, attributes: Attributes): Promise<string> => {
    await addEntry(editor, dn, attributes);
    return dn;
  };
  const addGroup = (cn: string, members: readonly string[] = []): Promise<string> =>
    add(groupDn(cn), { objectClass: "groupOfNames", cn, member: [NOBODY, ...members] });
  const addAccount = async (dn: string, attributes: Attributes, options: AccountOptions): Promise<string> => {
    const { groups = [], mail = [], attributes: more } = options;
    await add(dn, { ...attributes, mail, ...more });
    for (const group of groups) {
      await addGroup(group, [dn]).catch((error: unknown) => {
        if (!(error instanceof AlreadyExistsError)) throw error;
        return changes.addMember(group, dn);
      });
    }
    return dn;
  };
  const dnOf = (user: string): string => `cn=${escapeDn(user)},${BASE}`;

  await add(SUFFIX, { objectClass: ["dcObject", "organization"], dc: "ad", o: "ad" });
  await add(BASE, { objectClass: "organizationalUnit", ou: "User" });
  await add(GROUPS, { objectClass: "organizationalUnit", ou: "Groups" });
  await add(SERVICE, { objectClass: "person", cn: "service", sn: "service", userPassword: servicePassword });
  return {
    url,
    tlsUrl,
    host: HOST,
    port,
    tlsPort,
    caFile: certificates.caFile,
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
    addUser: (cn, userPassword, options = {}) =>
      addAccount(
        options.dn ?? dnOf(cn),
        { objectClass: "user", cn, sn: cn, sAMAccountName: cn, userAccountControl: "512", userPassword },
        options,
      ),
    addPerson: (uid, userPassword, options = {}) =>
      addAccount(
        options.dn ?? `uid=${escapeDn(uid)},${BASE}`,
        { objectClass: "inetOrgPerson", uid, cn: uid, sn: uid, userPassword },
        options,
      ),
    addGroup,
    ...changes,
    async restart() {
      await server.kill();
      await start();
    },
    stop: () => server.kill(),
  };
}
