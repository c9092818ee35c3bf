import { decode, type Option, readOptions, readServerUrl, type ReadUrl } from "./connection-url.ts";

/** The conventional environment variable for the database's URL. */
export const DATABASE_VARIABLE = "DATABASE_URL";

/** The keys of `db_settings` that a URL can give. */
export const DATABASE_URL_KEYS = [
  "dialect",
  "file",
  "host",
  "port",
  "user",
  "password",
  "database",
  "tls",
] as const;

const FORMS = "mysql://user:password@host:3306/database, mariadb://, or sqlite:FILE";

/** Databases that authmq does not support. */
const UNSUPPORTED =
  /^(?:postgres|postgresql|mssql|sqlserver|oracle|mongodb|mongodb\+srv|redis|cockroachdb):/i;

/** The kind of database in a URL; undefined if the scheme is unknown. */
export function kindOfUrl(text: string): "sqlite" | "mysql" | "other" | undefined {
  if (/^(?:sqlite|file):/i.test(text)) return "sqlite";
  if (/^(?:mysql|mariadb):/i.test(text)) return "mysql";
  return UNSUPPORTED.test(text) ? "other" : undefined;
}

const OPTIONS: ReadonlyMap<string, Option> = new Map<string, Option>([
  [
    "ssl-mode",
    (value) => {
      if (/^(?:required|verify_ca|verify_identity)$/i.test(value)) return { tls: true };
      if (/^disabled$/i.test(value)) return { tls: false };
      return "must be VERIFY_IDENTITY, VERIFY_CA or REQUIRED (TLS with a verified certificate), or DISABLED";
    },
  ],
  ["ssl-ca", (value) => (value === "" ? "must name a file" : { ca_file: value })],
]);

/** Reads the keys of `db_settings` from mysql://user:password@host:port/database, mariadb://, or sqlite:FILE. */
export function readDatabaseUrl(text: string): ReadUrl {
  const kind = kindOfUrl(text);
  if (kind === "sqlite") return readFileUrl(text);
  if (kind === "other") return { keys: {}, faults: [`must be ${FORMS}: other databases are not supported`] };
  const { address, keys, faults } = readServerUrl(text, {
    schemes: ["mysql", "mariadb"],
    example: FORMS,
    place: "database",
    options: OPTIONS,
  });
  if (address === undefined) return { keys, faults };
  const { host, port, username, password, place } = address;
  const stated = {
    dialect: "mysql",
    host: host.replace(/^\[(.*)\]$/, "$1"),
    port,
    user: username || undefined,
    password: password ?? "",
    database: place || undefined,
    ...keys,
  };
  return {
    keys: Object.fromEntries(Object.entries(stated).filter(([, value]) => value !== undefined)),
    faults,
  };
}

/** sqlite:users.db and sqlite://users.db are relative, sqlite:/srv/users.db and sqlite:///srv/users.db absolute. */
function readFileUrl(text: string): ReadUrl {
  const [place = "", ...query] = text.replace(/^\w+:(?:\/\/)?/, "").split("?");
  const file = decode(place);
  if (file === undefined || file === "" || /\p{Cc}/u.test(file))
    return { keys: {}, faults: ["must name a file: sqlite:users.db or sqlite:///srv/authmq/users.db"] };
  if (file === ":memory:")
    return {
      keys: {},
      faults: ["must name a file: an in-memory database loses all accounts when the worker stops"],
    };
  return {
    ...readOptions(new URLSearchParams(query.join("?")), new Map()),
    keys: { dialect: "sqlite", file },
  };
}
