import { randomBytes } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import type { DatabaseAddress } from "../support/servers/database-address.ts";
import { type Effect, type Holdings, watchStatements } from "./effects.ts";

/** The databases for faults. */
export type ChaosDatabase = "mysql" | "sqlite";

/** One scenario's database for the harness: without proxies, with all privileges. */
export interface Store {
  readonly kind: ChaosDatabase;
  /** `db_settings` for workers that reach the server at this port. */
  settings(port: number): Record<string, unknown>;
  /** Adds the triggers that record effects; the schema must exist. */
  watch(): Promise<void>;
  /** Reads all recorded effects and the content. */
  read(): Promise<{ effects: Effect[]; holdings: Holdings }>;
  /** Drops the database if it is on a server. */
  drop(): Promise<void>;
}

const ADMINS =
  "select count(*) as admins from usergroup join {user} as member on member.username = usergroup.username " +
  "where usergroup.groupname = 'admin' and member.activated = 1 and member.auth_type = 'LOCAL'";

const QUERIES = {
  effects: "select what, at from chaos_effect order by id",
  users: "select username, email from {user}",
  groups: "select name from {group}",
  memberships: "select username, groupname from usergroup",
  // As text, because a JavaScript number cannot hold 63 bits.
  tokens: "select user_id as username, cast(token_id as {text}) as token_id from token",
  admins: ADMINS,
};

type Rows = Readonly<Record<keyof typeof QUERIES, readonly Readonly<Record<string, unknown>>[]>>;

/** Creates a database on the server, with a user who has all privileges in it and none elsewhere. */
export async function createMariaStore(server: DatabaseAddress, { isCluster = false } = {}): Promise<Store> {
  const name = `chaos_${randomBytes(5).toString("hex")}`;
  const password = randomBytes(12).toString("hex");
  const execute = async (...statements: readonly string[]): Promise<void> => {
    await withRoot(server, async (query) => {
      for (const statement of statements) await query(statement);
    });
  };
  await execute(
    `create database ${name}`,
    `create user ${name}@'127.0.0.1' identified by '${password}'`,
    `grant all privileges on ${name}.* to ${name}@'127.0.0.1'`,
  );
  return {
    kind: "mysql",
    settings: (port) => ({ dialect: "mysql", host: "127.0.0.1", port, database: name, user: name, password }),
    watch: () => execute(`use ${name}`, ...watchStatements("mysql")),
    read: () =>
      withRoot(server, async (query) => {
        if (isCluster) await query("set session wsrep_sync_wait = 1");
        await query(`use ${name}`);
        const rows: Partial<Record<string, unknown>> = {};
        for (const [key, text] of Object.entries(QUERIES)) {
          const statement = text
            .replace("{user}", "`user`")
            .replace("{group}", "`group`")
            .replace("{text}", "char");
          rows[key] = await query(statement);
        }
        return toFindings(rows as Rows);
      }),
    drop: () => execute(`drop database if exists ${name}`, `drop user if exists ${name}@'127.0.0.1'`),
  };
}

/** Creates a database in its own file. */
export function createSqliteStore(file: string): Store {
  const withFile = <T>(work: (database: DatabaseSync) => T): T => {
    const database = new DatabaseSync(file, { timeout: 10_000 });
    try {
      return work(database);
    } finally {
      database.close();
    }
  };
  return {
    kind: "sqlite",
    settings: () => ({ dialect: "sqlite", file }),
    async watch() {
      withFile((database) => {
        for (const statement of watchStatements("sqlite")) database.exec(statement);
      });
    },
    read: async () =>
      withFile((database) => {
        const rows = Object.entries(QUERIES).map(([key, text]) => {
          const statement = text
            .replace("{user}", '"user"')
            .replace("{group}", '"group"')
            .replace("{text}", "text");
          return [key, database.prepare(statement).all()];
        });
        return toFindings(Object.fromEntries(rows) as Rows);
      }),
    async drop() {
      // The file is removed with the scratch folder.
    },
  };
}

/** Runs `work` on its own connection as the server's administrator. */
export async function withRoot<T>(
  { host, port, user, password }: DatabaseAddress,
  work: (query: (statement: string) => Promise<RowDataPacket[]>) => Promise<T>,
): Promise<T> {
  const connection = await createConnection({
    host,
    port,
    user,
    password,
    dateStrings: true,
    connectTimeout: 10_000,
  });
  connection.on("error", () => undefined); // the pending query also rejects
  try {
    return await work(async (statement) => (await connection.query<RowDataPacket[]>(statement))[0]);
  } finally {
    connection.destroy();
  }
}

function toFindings(rows: Rows): { effects: Effect[]; holdings: Holdings } {
  const text = (row: Readonly<Record<string, unknown>>, column: string): string => String(row[column]);
  return {
    effects: rows.effects.map((row) => ({ what: text(row, "what"), at: text(row, "at") })),
    holdings: {
      users: rows.users.map((row) => ({ username: text(row, "username"), email: text(row, "email") })),
      groups: rows.groups.map((row) => text(row, "name")),
      memberships: rows.memberships.map((row) => ({
        username: text(row, "username"),
        groupname: text(row, "groupname"),
      })),
      tokens: rows.tokens.map((row) => ({ username: text(row, "username"), tokenId: text(row, "token_id") })),
      admins: Number(rows.admins[0]?.["admins"]),
    },
  };
}
