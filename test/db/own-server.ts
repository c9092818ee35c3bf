import { randomBytes } from "node:crypto";
import { after, before } from "node:test";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import { provideServers } from "../support/servers/install.ts";
import { type MariaDb, startMariaDb } from "../support/servers/mariadb.ts";
import { Scratch } from "../support/servers/scratch.ts";

/** The settings of a worker whose user may do everything in one database, and nothing to the server. */
export interface OwnDatabase {
  readonly dialect: "mysql";
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly file: undefined;
}

/** A MariaDB that a suite may restart, set and overload as it likes. */
export interface OwnServer {
  readonly mariadb: MariaDb;
  /** An empty database and a user for it; read_only binds this one, as it does not bind root. */
  createDatabase(like?: OwnDatabase): Promise<OwnDatabase>;
  /** Runs a statement as root, on a connection of its own. */
  execute(statement: string): Promise<RowDataPacket[]>;
  /** Sets a global variable, for sessions that begin from now on and, as far as it is one, for the server. */
  set(name: string, value: number): Promise<void>;
  /** Gives every variable that was set its old value. */
  restoreSettings(): Promise<void>;
  /** Ends all sessions of a user from the server's side. */
  killSessions(user: string): Promise<void>;
}

/** A server of its own for the suite or file in which it is called, with more lines of configuration. */
export function useOwnServer(configuration: readonly string[] = []): OwnServer {
  const scratch = new Scratch();
  let server: MariaDb | undefined;
  before(async () => {
    const modes = await provideServers(() => undefined, ["mariadb"]);
    server = await startMariaDb(scratch, { mode: modes.mariadb, settings: configuration });
  });
  after(() => scratch.close());
  const execute = async (statement: string): Promise<RowDataPacket[]> => {
    const { host, port, user, password } = server!;
    const connection = await createConnection({ host, port, user, password });
    try {
      const [rows] = await connection.query<RowDataPacket[]>(statement);
      return rows;
    } finally {
      await connection.end();
    }
  };
  const settings = new Map<string, number>();
  return {
    get mariadb() {
      return server!;
    },
    execute,
    async set(name, value) {
      const [row] = await execute(`select @@global.${name} as value`);
      if (!settings.has(name)) settings.set(name, Number(row?.["value"]));
      await execute(`set global ${name} = ${value}`);
    },
    async restoreSettings() {
      for (const [name, value] of settings) await execute(`set global ${name} = ${value}`);
      settings.clear();
    },
    async killSessions(user) {
      const sessions = await execute(`select id from information_schema.processlist where user = '${user}'`);
      // One may have gone by itself meanwhile.
      for (const { id } of sessions) await execute(`kill ${id}`).catch(() => undefined);
    },
    async createDatabase(like) {
      const name = like?.database ?? `authmq_${randomBytes(6).toString("hex")}`;
      const password = like?.password ?? randomBytes(12).toString("hex");
      await execute(`create database ${name}`);
      await execute(`create user ${name}@'%' identified by '${password}'`);
      await execute(`grant all on ${name}.* to ${name}@'%'`);
      const { host, port } = server!;
      return { dialect: "mysql", host, port, database: name, user: name, password, file: undefined };
    },
  };
}
