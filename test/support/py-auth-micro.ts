import { randomBytes } from "node:crypto";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import { killConnectionsOf } from "./connections-of.ts";
import { noteName, noteSecret } from "../secrets/notes.ts";
import { createDatabase, dropDatabase } from "./database.ts";
import type { DatabaseAddress } from "./servers/database-address.ts";

/** The hash of "U*U" by OpenBSD's bcrypt. */
export const OLD_HASH = "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

/** The password of `OLD_HASH`. */
export const OLD_PASSWORD = "U*U";

/** Which column of `usergroup` refers to the user: `name` in the original, `username` in tables made by hand. */
export type Orientation = "swapped" | "straight";

/** A user of the old database; absent columns have the values of an ordinary local user. */
export interface OldRow {
  readonly username: string;
  readonly email?: string | null;
  readonly password_hash?: string | null;
  readonly auth_type?: string;
  readonly activated?: number;
  readonly created_at?: string;
  readonly groups?: readonly string[];
}

/** A database of py_auth_micro, rebuilt from what its tables look like. */
export interface OldDatabase extends AsyncDisposable {
  /** `db_settings` of py_auth_micro, with a user that may only read. */
  readonly settings: DatabaseAddress & { readonly database: string };
  execute(statement: string, values?: readonly unknown[]): Promise<void>;
  add(...users: readonly OldRow[]): Promise<void>;
  addGroups(...names: readonly string[]): Promise<void>;
  /** Closes the connections of the user that may only read. */
  disconnect(): Promise<void>;
  /** All rows as text, to see that nothing was written. */
  snapshot(): Promise<string>;
}

/** The statements that create the tables of py_auth_micro. */
function oldTables(orientation: Orientation, hasForeignKeys = true): string[] {
  const [user, group] = orientation === "swapped" ? ["name", "username"] : ["username", "name"];
  const foreignKeys = `,
      foreign key (${user}) references \`user\` (username) on delete cascade,
      foreign key (${group}) references \`group\` (name) on delete cascade`;
  return [
    `create table \`user\` (username varchar(30) not null primary key, password_hash longblob, auth_type varchar(8) not null,
      email varchar(100) ${orientation === "swapped" ? "not null" : "null"} unique, activated tinyint(1) not null default 1,
      created_at datetime(6) not null default current_timestamp(6), modified_at datetime(6) not null default current_timestamp(6))`,
    "create table `group` (name varchar(50) not null primary key)",
    `create table token (token_id bigint not null primary key auto_increment, ip varchar(39) not null,
      valid_until datetime(6) not null, last_use datetime(6), sign_method varchar(10) not null,
      vhost varchar(100) not null default 'test', user_id varchar(30) not null unique,
      foreign key (user_id) references \`user\` (username) on delete cascade)`,
    `create table usergroup (${user} varchar(30) not null, ${group} varchar(50) not null${hasForeignKeys ? foreignKeys : ""})`,
  ];
}

interface OldOptions {
  readonly hasForeignKeys?: boolean;
  /** Another server than that of the run. */
  readonly server?: DatabaseAddress | undefined;
}

/** Creates an old database without users. */
export async function createOldDatabase(
  orientation: Orientation = "swapped",
  { hasForeignKeys = true, server }: OldOptions = {},
): Promise<OldDatabase> {
  const root = server === undefined ? await createDatabase() : await createDatabaseOn(server);
  const connection = await createConnection({ ...root, timezone: "Z" });
  for (const statement of oldTables(orientation, hasForeignKeys)) await connection.query(statement);
  const reader = {
    user: `reader_${randomBytes(4).toString("hex")}`,
    password: randomBytes(9).toString("hex"),
  };
  noteSecret("password", reader.password);
  await connection.query(`create user '${reader.user}'@'%' identified by '${reader.password}'`);
  await connection.query(`grant select on ${root.database}.* to '${reader.user}'@'%'`);
  const [user, group] = orientation === "swapped" ? ["name", "username"] : ["username", "name"];
  const insert = async (into: string, rows: readonly (readonly unknown[])[]): Promise<void> => {
    for (let from = 0; from < rows.length; from += 1000)
      await connection.query(`insert into ${into} values ?`, [rows.slice(from, from + 1000)]);
  };
  return {
    settings: { ...root, ...reader },
    async execute(statement, values = []) {
      await connection.query(statement, [...values]);
    },
    async add(...users) {
      const rows = users.map(({ username, email, password_hash: hash, auth_type, activated, created_at }) => {
        noteName(username);
        return [
          username,
          hash === undefined ? OLD_HASH : hash,
          auth_type ?? "LOCAL",
          email === undefined ? `${username}@example.com` : email,
          activated ?? 1,
          created_at ?? "2024-02-29 12:00:00.123456",
        ];
      });
      await insert("`user` (username, password_hash, auth_type, email, activated, created_at)", rows);
      const members = users.flatMap(({ username, groups = [] }) => groups.map((name) => [username, name]));
      await insert(`usergroup (${user}, ${group})`, members);
    },
    addGroups: (...names) =>
      insert(
        "`group` (name)",
        names.map((name) => [name]),
      ),
    async disconnect() {
      await killConnectionsOf(
        reader.user,
        async (text) => (await connection.query<RowDataPacket[]>(text))[0],
      );
    },
    async snapshot() {
      const tables = ["`user`", "`group`", "usergroup", "token"].map(async (table) => {
        const [rows] = await connection.query<RowDataPacket[]>(`select * from ${table}`);
        return rows;
      });
      const [all] = await connection.query<RowDataPacket[]>("show tables");
      return JSON.stringify([all, await Promise.all(tables)]);
    },
    async [Symbol.asyncDispose]() {
      await connection.query(`drop user '${reader.user}'@'%'`);
      await connection.end();
      if (server === undefined) await dropDatabase(root.database);
    },
  };
}

async function createDatabaseOn({ host, port, user, password }: DatabaseAddress) {
  const connection = await createConnection({ host, port, user, password });
  await connection.query("create database old_auth");
  await connection.end();
  return { host, port, user, password, database: "old_auth" };
}

/** Ordinary users, each in two of the groups `everybody` and `team-0` to `team-6`. */
export function oldUsers(count: number): OldRow[] {
  return Array.from({ length: count }, (_, index) => ({
    username: `user-${index}`,
    groups: ["everybody", `team-${index % 7}`],
  }));
}

/** The groups of `oldUsers`. */
export const OLD_GROUPS = ["everybody", ...Array.from({ length: 7 }, (_, index) => `team-${index}`)];
