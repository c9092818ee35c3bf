import { resolve } from "node:path";
import { readCa } from "./ca.ts";
import type { Faults } from "./fault.ts";
import type { Section } from "./section.ts";

/** The validated database settings: a SQLite file or a MySQL server. */
export type DbConfig =
  | { readonly dialect: "sqlite"; readonly file: string }
  | {
      readonly dialect: "mysql";
      readonly database: string;
      readonly user: string;
      readonly password: string;
      readonly host: string;
      readonly port: number;
      /** Whether connections use TLS; the server's certificate must always be signed by a trusted CA. */
      readonly tls: boolean;
      /** Undefined for the CAs that Node trusts. */
      readonly ca: Buffer | undefined;
      /** Whether the certificate must contain the host name; only false together with `ca`. */
      readonly verify_host: boolean;
      readonly pool_size: number;
      readonly timeout_ms: number;
    };

const SECTION = "db_settings";
/** Every owner of a domain has a certificate of a public CA: without its name, any of them would be accepted. */
const NEEDS_CA =
  "is false, which needs ca_file: set ca_file to the CA that signed the server's certificate " +
  "(for the certificate that MySQL generates: ca.pem in its data directory)";
const REQUIRED_FOR_MYSQL = ["database", "user", "password"] as const;

/** Checks the section as a whole; adds errors to `faults`. */
export function readDatabase(
  { parts = {}, whole }: Section<"db_settings">,
  folder: string,
  faults: Faults,
): DbConfig | undefined {
  const has = (key: keyof typeof parts): boolean => faults.has(`${SECTION}.${key}`);
  const add = (key: keyof typeof parts, msg: string): void => faults.push({ path: `${SECTION}.${key}`, msg });
  const isServer = REQUIRED_FOR_MYSQL.some((key) => parts[key] !== undefined || has(key));
  const dialect = parts.dialect ?? (isServer ? "mysql" : "sqlite");
  if (dialect === "sqlite" && !has("dialect"))
    return whole && { dialect, file: resolve(folder, whole.file ?? "authmq.db") };
  const ca = readCa(parts.ca_file, SECTION, folder, faults);
  if (parts.tls === false && parts.ca_file !== undefined)
    add("tls", "is false, and ca_file is given: remove one of them");
  if (parts.verify_host === false && parts.ca_file === undefined && !has("ca_file"))
    add("verify_host", NEEDS_CA);
  if (has("dialect")) return undefined;
  if (parts.file !== undefined)
    add("file", "is only for the dialect sqlite: remove it, or remove the settings of the server");
  for (const key of REQUIRED_FOR_MYSQL)
    if (parts[key] === undefined && !has(key)) add(key, "is required for mysql: set it here, or in url");
  if (whole === undefined) return undefined;
  const { database, user, password, host, port, tls, verify_host, pool_size, timeout_ms } = whole;
  if (database === undefined || user === undefined || password === undefined) return undefined;
  return {
    dialect: "mysql",
    ...{ database, user, password, host, port, pool_size, timeout_ms },
    tls: tls ?? ca !== undefined,
    ca,
    verify_host,
  };
}
