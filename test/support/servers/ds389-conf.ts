import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";

const TEMPLATE = "/usr/share/dirsrv/data/template-dse.ldif";

export interface Ds389Conf {
  /** Contains the configuration, and a subfolder for everything that the server writes. */
  folder: string;
  host: string;
  port: number;
  suffix: string;
  root: { dn: string; password: string };
}

/** The subfolders in the configuration. */
export const DS389_FOLDERS = ["schema", "lock", "tmp", "cert", "ldif", "bak", "run", "inst", "log", "db"];

/** Changes to entries of the template: lines that replace attributes by name, and lines that are added. */
const CHANGES: Readonly<Record<string, readonly string[]>> = {
  "cn=MemberOf Plugin,cn=plugins,cn=config": [
    "nsslapd-pluginenabled: on",
    "memberOfGroupAttr: uniqueMember",
    "memberOfAutoAddOC: nsMemberOf",
  ],
  // Small fixed caches: the default is a tenth of the machine's memory.
  "cn=config,cn=ldbm database,cn=plugins,cn=config": [
    "nsslapd-cache-autosize: 0",
    "nsslapd-dbcachesize: 4194304",
    "nsslapd-db-logfile-size: 4194304",
    "nsslapd-db-locks: 10000",
  ],
};

/** Reads a file that only the package's own user may read, and is not needed. */
const LEFT_OUT = "cn=Internationalization Plugin,cn=plugins,cn=config";

/** The text of a dse.ldif: the package's template with small caches, memberOf and no access log. */
export function ds389Conf({ folder, host, port, root, suffix }: Ds389Conf): string {
  const path = (name: string): string => join(folder, name);
  const values: Readonly<Record<string, string>> = {
    ...Object.fromEntries(DS389_FOLDERS.map((name) => [`${name}_dir`, path(name)])),
    db_home_dir: path("db"),
    db_lib: "bdb",
    fqdn: "localhost",
    ds_port: String(port),
    ds_user: userInfo().username,
    rootdn: root.dn,
    ds_passwd: hash(root.password),
    ds_suffix: suffix,
    ldapi: path("ldapi"),
    ldapi_enabled: "off",
    ldapi_autobind: "off",
  };
  const config = [
    `nsslapd-listenhost: ${host}`,
    "nsslapd-threadnumber: 4",
    "nsslapd-accesslog-logging-enabled: off",
    // A fast scheme: the default takes 10 ms per password.
    "passwordStorageScheme: SSHA512",
  ];
  const changes: Readonly<Record<string, readonly string[]>> = { ...CHANGES, "cn=config": config };
  return readFileSync(TEMPLATE, "utf8")
    .split(/\n{2,}/)
    .filter((entry) => !entry.startsWith(`dn: ${LEFT_OUT}`))
    .map((entry) => change(entry.trim(), changes))
    .join("\n\n")
    .replaceAll(/%(\w+)%/g, (token, name: string) => values[name] ?? token)
    .concat("\n");
}

/** Replaces lines of the same attribute, except attributes with several groups as values. */
function change(entry: string, changes: Readonly<Record<string, readonly string[]>>): string {
  const dn = /^dn: *(.*)/.exec(entry)?.[1] ?? "";
  const lines = changes[dn];
  if (lines === undefined) return entry;
  const replaced = lines
    .map((line) => line.slice(0, line.indexOf(":")))
    .filter((name) => !/Attr$/.test(name));
  const kept = entry
    .split("\n")
    .filter((line) => !replaced.some((name) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`)));
  return [...kept, ...lines].join("\n");
}

/** The hash of a password: the configuration cannot contain plain passwords. */
function hash(password: string): string {
  const salt = randomBytes(8);
  const digest = createHash("sha512").update(password).update(salt).digest();
  return `{SSHA512}${Buffer.concat([digest, salt]).toString("base64")}`;
}
