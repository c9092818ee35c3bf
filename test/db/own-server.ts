import { randomBytes } from "node:crypto";
import { after, before } from "node:test";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import { provideServers } from "../support/servers/sources.ts";
import { type DatabaseServer, startDatabase } from "../support/servers/database.ts";
import { killConnectionsOf } from "../support/connections-of.ts";
import { Scratch } from "../support/servers/scratch.ts";

/** Settings of a worker; its user has all privileges on one database and none on the server. */
export interface OwnDatabase {
  readonly dialect: "mysql";
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly file: undefined;
}

/** A database server that a test suite may restart, configure and overload. */
export interface OwnServer {
  readonly database: DatabaseServer;
  /** Creates an empty database and its user. `read_only` applies to this user, but not to root. */
  createDatabase(like?: OwnDatabase): Promise<OwnDatabase>;
  /** Runs a statement as root, on a new connection. */
  execute(statement: string): Promise<RowDataPacket[]>;
  /** Sets a global variable: it applies to new sessions and, if it is a server variable, to the server. */
  set(name: string, value: number): Promise<void>;
  /** Restores the variables that `set` changed. */
  restoreSettings(): Promise<void>;
  /** Kills all sessions of a user on the server. */
  killSessions(user: string): Promise<void>;
}

/** Starts a private server for the test suite or file, with additional configuration lines. */
export function useOwnServer(configuration: readonly string[] = []): OwnServer {
  const scratch = new Scratch();
  let server: DatabaseServer | undefined;
  before(async () => {
    await provideServers(() => undefined, ["database"]);
    server = await startDatabase(scratch, { settings: configuration });
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
    get database() {
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
    killSessions: (user) => killConnectionsOf(user, execute),
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
