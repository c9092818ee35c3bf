import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { getProgram } from "./install.ts";
import { type Scratch, waitUntil } from "./scratch.ts";

const HOST = "127.0.0.1";

const run = promisify(execFile);

/**
 * A private Kerberos realm with one service, on loopback. A second KDC of the same realm has other keys: with the same
 * users and passwords, it is the fake KDC that a password check must not trust.
 */
export interface Kdc {
  readonly realm: string;
  readonly host: string;
  /** TCP and UDP. */
  readonly port: number;
  /** Undefined while it does not run. */
  readonly pid: number | undefined;
  /** Contains all its files, and may contain ticket caches. */
  readonly folder: string;
  /** Path of a krb5.conf for KRB5_CONFIG: without DNS, TCP first. */
  readonly configFile: string;
  /** Contains the keys of `service`. */
  readonly keytab: string;
  /** In GSS-API format: HTTP@host. */
  readonly service: string;
  /** In Kerberos format: HTTP/host@REALM. */
  readonly servicePrincipal: string;
  /** Path of a krb5.conf like `configFile` with another KDC port on 127.0.0.1, for example a proxy's. */
  configFor(port: number): string;
  /** Adds a user; attributes as in kadmin's addprinc: "+needchange", "-allow_tix", "-pwexpire", "yesterday". */
  addPrincipal(name: string, password: string, ...attributes: string[]): Promise<void>;
  /** Adds a service with random keys, for example HTTP/other.example.org. */
  addService(name: string): Promise<void>;
  /** Adds the current keys of a principal to a keytab and returns its path. */
  exportKeytab(path: string, principal: string): Promise<string>;
  /** Runs any command of kadmin.local; throws if it fails. */
  admin(...command: string[]): Promise<void>;
  /** Resolves when it has ended; may be called twice. */
  stop(): Promise<void>;
}

/** What is missing on this machine for a KDC, for a test's `skip`; undefined if it can be started. */
export function missingForKdc(): string | undefined {
  try {
    ["krb5kdc", "kdb5_util", "kadmin.local", "kinit"].forEach(getProgram);
    return undefined;
  } catch (error) {
    return `${(error as Error).message}: apt-get install krb5-kdc krb5-admin-server krb5-user`;
  }
}

/** Starts a KDC, and resolves when it issues a ticket to its service. */
export async function startKdc(scratch: Scratch, { realm = "EXAMPLE.ORG" } = {}): Promise<Kdc> {
  const port = await scratch.freePort();
  const name = `kdc-${port}`;
  const folder = scratch.subfolder(name);
  const file = (path: string, text: string): string => {
    writeFileSync(join(folder, path), text, { mode: 0o600 });
    return join(folder, path);
  };
  const configFor = (at: number): string => file(`krb5-${at}.conf`, clientConfig(realm, at));
  const configFile = configFor(port);
  const profile = file("kdc.conf", serverConfig(realm, port, folder));
  const env = { PATH: process.env["PATH"], LC_ALL: "C", KRB5_CONFIG: configFile, KRB5_KDC_PROFILE: profile };
  const admin = (...command: string[]): Promise<void> =>
    scratch.run(getProgram("kadmin.local"), ["-r", realm, ...command], { name: `${name}-admin`, env });

  const master = randomBytes(12).toString("hex");
  const create = ["-r", realm, "create", "-s", "-P", master];
  await scratch.run(getProgram("kdb5_util"), create, { name: `${name}-create`, env });
  const host = `auth.${realm.toLowerCase()}`;
  const servicePrincipal = `HTTP/${host}@${realm}`;
  const keytab = join(folder, "http.keytab");
  await admin("addprinc", "-randkey", servicePrincipal);
  await admin("ktadd", "-k", keytab, "-norandkey", servicePrincipal);

  const server = scratch.process(getProgram("krb5kdc"), ["-n", "-r", realm, "-P", join(folder, "pid")], {
    name,
    env,
  });
  await server.start();
  const kinit = ["-c", "MEMORY:", "-k", "-t", keytab, servicePrincipal];
  const probe = async (): Promise<object> => run(getProgram("kinit"), kinit, { env, timeout: 2_000 });
  await waitUntil("the KDC", probe, { died: () => server.died() });
  return {
    realm,
    host: HOST,
    port,
    get pid() {
      return server.pid;
    },
    folder,
    configFile,
    keytab,
    service: `HTTP@${host}`,
    servicePrincipal,
    configFor,
    addPrincipal: (user, password, ...attributes) => admin("addprinc", ...attributes, "-pw", password, user),
    addService: (principal) => admin("addprinc", "-randkey", principal),
    async exportKeytab(path, principal) {
      await admin("ktadd", "-k", path, "-norandkey", principal);
      return path;
    },
    admin,
    stop: () => server.kill(),
  };
}

/** Uses no DNS, and does not canonicalize names. */
function clientConfig(realm: string, port: number): string {
  return [
    "[libdefaults]",
    `default_realm = ${realm}`,
    "dns_lookup_kdc = false",
    "dns_lookup_realm = false",
    "dns_canonicalize_hostname = false",
    "rdns = false",
    'qualify_shortname = ""',
    "udp_preference_limit = 1", // TCP first for all sizes: tests use a TCP proxy
    "[realms]",
    `${realm} = {`,
    `kdc = ${HOST}:${port}`,
    "}",
    "[domain_realm]",
    `.${realm.toLowerCase()} = ${realm}`,
    "",
  ].join("\n");
}

/** Requires preauthentication, like Active Directory: without it, failures are not counted. */
function serverConfig(realm: string, port: number, folder: string): string {
  return [
    "[kdcdefaults]",
    `kdc_listen = ${HOST}:${port}`,
    `kdc_tcp_listen = ${HOST}:${port}`,
    "[realms]",
    `${realm} = {`,
    `database_name = ${join(folder, "principal")}`,
    `key_stash_file = ${join(folder, "stash")}`,
    `acl_file = ${join(folder, "acl")}`,
    "supported_enctypes = aes256-cts-hmac-sha1-96:normal",
    "default_principal_flags = +preauth",
    "}",
    "[logging]",
    "kdc = STDERR",
    "default = STDERR",
    "",
  ].join("\n");
}
