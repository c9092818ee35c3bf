import { randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { makeCertificates } from "./certificates.ts";
import { addEntry, withClient } from "./directories.ts";
import { getProgram } from "./install.ts";
import { type Accounts, accountsBy } from "./samba-accounts.ts";
import { type Domain, type Refusal, refuse } from "./samba-refusals.ts";
import { type Scratch, waitUntil } from "./scratch.ts";
import { type SmbConf, smbConf } from "./smb-conf.ts";

const REALM = "AD.LOCAL";
const DNS_DOMAIN = "ad.local";
const DOMAIN = "AD";
const SUFFIX = "DC=ad,DC=local";
const USERS = `CN=Users,${SUFFIX}`;
const GROUPS = `OU=Groups,${SUFFIX}`;
const HOSTNAME = "dc";
/** The address of the domain while it is provisioned, when no process listens. */
const LOOPBACK = "127.0.0.1";
/** LDAP, LDAPS, the global catalog (LDAP, LDAPS), Kerberos and Kerberos password change. */
const PORTS = [389, 636, 3268, 3269, 88, 464];

/** userAccountControl of an account whose password does not expire. */
const LASTING = "66048";

export interface SambaOptions {
  /** Additional lines for smb.conf, for example "ldap server require strong auth = yes". */
  settings?: readonly string[];
}

/** A private Active Directory of Samba with its own loopback address, because its ports are fixed. */
export interface Samba extends Accounts {
  /** Also supports StartTLS. */
  readonly url: string;
  readonly tlsUrl: string;
  /** An address 127.x.y.z. */
  readonly host: string;
  /** Not in DNS; in the certificate, besides the address. */
  readonly hostname: string;
  /** The CA of the server's certificate. */
  readonly caFile: string;
  readonly suffix: string;
  readonly usersDn: string;
  readonly groupsDn: string;
  /** For DOMAIN\user. */
  readonly domain: string;
  /** For user@domain. */
  readonly dnsDomain: string;
  readonly realm: string;
  /** Has all permissions, over `tlsUrl`. */
  readonly adminDn: string;
  readonly adminPassword: string;
  /** An account with the permissions of every user. */
  readonly serviceDn: string;
  readonly servicePassword: string;
  /** Undefined while it does not run. */
  readonly pid: number | undefined;
  /** Makes the directory refuse a user despite the right password. */
  refuse(dn: string, why: Refusal): Promise<void>;
  /** Stops it if it runs, and starts it again with the same address and data. */
  restart(): Promise<void>;
  /** Resolves when it has ended; may be called twice. */
  stop(): Promise<void>;
}

/**
 * Starts a copy of the domain that the first caller of a test run provisions, and resolves when it responds. It allows
 * short and simple passwords.
 */
export async function startSamba(scratch: Scratch, { settings = [] }: SambaOptions = {}): Promise<Samba> {
  const host = await freeAddress();
  const name = `samba-${host}`;
  const folder = scratch.subfolder(name);
  const hostname = `${HOSTNAME}.${DNS_DOMAIN}`;
  const certificates = await makeCertificates(scratch, name, { hosts: [host, hostname] });
  const { caFile } = certificates;
  const domain = await provisionedDomain(scratch);
  cpSync(domain.folder, folder, { recursive: true });
  const file = writeSmbConf({ folder, address: host, certificates, settings });
  const adminPassword = domain.password;
  const env = environment(folder);
  // A single process, so that no child leaves the process group.
  const args = ["-F", "--no-process-group", "-M", "single", "--debug-stdout", "-s", file];
  const server = scratch.process(getProgram("samba"), args, { name, env });
  const editor = { url: `ldaps://${host}`, caFile, dn: `CN=Administrator,${USERS}`, password: adminPassword };
  const start = async (): Promise<void> => {
    await server.start();
    await waitUntil("Samba", () => withClient(editor, async () => true), { died: () => server.died() });
  };
  await start();
  const administration: Domain = {
    editor,
    suffix: SUFFIX,
    database: join(folder, "private", "sam.ldb.d", `${SUFFIX.toUpperCase()}.ldb`),
    // The Python in the first line of samba-tool.
    runPython: (program, ...args) =>
      scratch.run(getProgram("/usr/bin/python3"), ["-c", program, ...args], { name: `${name}-python`, env }),
  };

  const accounts = accountsBy(editor, { users: USERS, groups: GROUPS, dnsDomain: DNS_DOMAIN });
  await accounts.setAttributes(SUFFIX, {
    pwdProperties: "0",
    minPwdLength: "1",
    minPwdAge: "0",
    pwdHistoryLength: "0",
  });
  await addEntry(editor, GROUPS, { objectClass: "organizationalUnit", ou: "Groups" });
  const servicePassword = makePassword();
  const serviceDn = await accounts.addUser("service", servicePassword, {
    attributes: { userAccountControl: LASTING },
  });
  return {
    url: `ldap://${host}`,
    tlsUrl: editor.url,
    host,
    hostname,
    caFile,
    suffix: SUFFIX,
    usersDn: USERS,
    groupsDn: GROUPS,
    domain: DOMAIN,
    dnsDomain: DNS_DOMAIN,
    realm: REALM,
    adminDn: editor.dn,
    adminPassword,
    serviceDn,
    servicePassword,
    get pid() {
      return server.pid;
    },
    ...accounts,
    refuse: (dn, why) => refuse(administration, dn, why),
    async restart() {
      await server.kill();
      await start();
    },
    stop: () => server.kill(),
  };
}

/**
 * The files of a new domain, and its administrator's password. The test files of one run share the domain, because
 * provisioning is slow.
 */
async function provisionedDomain(scratch: Scratch): Promise<{ folder: string; password: string }> {
  const shared = join(process.env["AUTHMQ_TEST_SCRATCH"] ?? scratch.folder, "samba-domain");
  const folder = join(shared, "files");
  const passwordFile = join(shared, "password");
  if (isFirst(shared)) {
    mkdirSync(folder);
    const password = makePassword();
    const file = writeSmbConf({ folder, address: LOOPBACK, settings: [] });
    await scratch.run(
      getProgram("samba-tool"),
      [
        ...["domain", "provision", `--configfile=${file}`, `--realm=${REALM}`, `--domain=${DOMAIN}`],
        ...["--server-role=dc", "--dns-backend=NONE", `--host-name=${HOSTNAME}`, `--host-ip=${LOOPBACK}`],
        `--adminpass=${password}`,
      ],
      { name: "samba-provision", env: environment(folder) },
    );
    writeFileSync(`${passwordFile}.new`, password);
    renameSync(`${passwordFile}.new`, passwordFile);
  }
  await waitUntil("the provisioned domain", () => existsSync(passwordFile));
  return { folder, password: readFileSync(passwordFile, "utf8") };
}

/** Whether this is the first caller with this folder, which it creates. */
function isFirst(folder: string): boolean {
  try {
    mkdirSync(folder);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

function writeSmbConf(options: Pick<SmbConf, "folder" | "address" | "certificates" | "settings">): string {
  const file = join(options.folder, "smb.conf");
  writeFileSync(file, smbConf({ ...options, realm: REALM, domain: DOMAIN, hostname: HOSTNAME }));
  return file;
}

/** Without fsync: the data need not survive a power failure. */
function environment(folder: string): NodeJS.ProcessEnv {
  return { PATH: process.env["PATH"], TDB_NO_FSYNC: "1", TMPDIR: folder, PYTHONDONTWRITEBYTECODE: "1" };
}

/** A random loopback address without listeners at Samba's ports; four million addresses make collisions unlikely. */
async function freeAddress(): Promise<string> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const address = `127.${randomInt(16, 240)}.${randomInt(1, 255)}.${randomInt(1, 255)}`;
    const free = await Promise.all(PORTS.map((port) => isFree(address, port)));
    if (free.every(Boolean)) return address;
  }
  throw new Error("no free address below 127.0.0.0/8");
}

async function isFree(address: string, port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port, address), "listening");
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

/** Satisfies every policy: upper and lower case letters and digits. */
function makePassword(): string {
  return `Aa1${randomBytes(12).toString("hex")}`;
}
