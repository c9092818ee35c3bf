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
/** A groupOfNames needs a member: this one exists nowhere. */
const NOBODY = `cn=nobody,${SUFFIX}`;

export interface OpenLdapOptions {
  /** The names and addresses in the certificate. */
  hosts?: readonly string[];
  /** More lines for the part of slapd.conf that is about the whole server: "security simple_bind=128" for example. */
  settings?: readonly string[];
  /** More lines for the end of the part about the database: "overlay ppolicy" for example. */
  overlays?: readonly string[];
}

/** A private OpenLDAP with users that look like those of an Active Directory, on loopback only. */
export interface OpenLdap extends Changes {
  /** Takes StartTLS, too. */
  readonly url: string;
  readonly tlsUrl: string;
  readonly host: string;
  readonly port: number;
  readonly tlsPort: number;
  /** The authority that signed the server's certificate. */
  readonly caFile: string;
  readonly suffix: string;
  /** The users are in there. */
  readonly baseDn: string;
  readonly groupsDn: string;
  /** Reads all but passwords, as every user does. */
  readonly serviceDn: string;
  readonly servicePassword: string;
  /** May do everything. */
  readonly rootDn: string;
  readonly rootPassword: string;
  /** Undefined as long as it does not run. */
  readonly pid: number | undefined;
  /** The name that `addUser` gives. */
  dnOf(name: string): string;
  /** Adds an entry of class user, with its name as cn and sAMAccountName; gives its DN. */
  addUser(name: string, password: string, options?: AccountOptions): Promise<string>;
  /** Adds an inetOrgPerson, with its name as uid; gives its DN. */
  addPerson(uid: string, password: string, options?: AccountOptions): Promise<string>;
  /** Adds any other entry; gives its DN. */
  addEntry(dn: string, attributes: Attributes): Promise<string>;
  /** Adds a groupOfNames; gives its DN. */
  addGroup(cn: string, members?: readonly string[]): Promise<string>;
  /** Ends it if it still runs and brings it up again on the same ports and data. */
  restart(): Promise<void>;
  /** Complete on return; may be called twice. */
  stop(): Promise<void>;
}

/** Starts OpenLDAP and resolves when it answers. Passwords that a test gives it may be of any kind but empty. */
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

  // A level of its own keeps it in the foreground, and "none" are the messages that must be said whatever the level.
  const server = scratch.process(getProgram("slapd"), ["-d", "none", "-h", `${url} ${tlsUrl}`, "-f", file], {
    name,
    env: { PATH: process.env["PATH"] },
  });
  // By TLS: where `security` is among the settings, the plain port takes no password.
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
