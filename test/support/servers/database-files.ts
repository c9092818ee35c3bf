import { writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import type { DatabaseAddress } from "./database-address.ts";
import type { Scratch } from "./scratch.ts";

/** How a product creates an account that may exist. */
type CreateUser = "create or replace user" | "create user if not exists";

/**
 * Writes the statements that give the administrator its password; returns the file. The server reads them before it
 * listens, so it never accepts logins without a password.
 */
export function writeAccounts(
  folder: string,
  { host, user, password }: DatabaseAddress,
  create: CreateUser,
): string {
  const statements = [
    "flush privileges;", // reads the accounts, which are not loaded while the data is created
    `${create} ${user}@${host} identified by '${password}';`,
    `grant all privileges on *.* to ${user}@${host} with grant option;`,
    "drop user if exists root@localhost;",
  ];
  return write(folder, "accounts.sql", statements);
}

/** Writes the settings of a server on loopback with its own folder; returns the file. */
export function writeSettings(
  scratch: Scratch,
  name: string,
  { host, port }: DatabaseAddress,
  { section, lines }: { readonly section: "mariadbd" | "mysqld"; readonly lines: readonly string[] },
): string {
  const folder = scratch.subfolder(name);
  return write(folder, "my.cnf", [
    `[${section}]`,
    `datadir=${join(folder, "data")}`,
    `socket=${join(folder, "s")}`,
    `pid-file=${join(folder, "pid")}`,
    `tmpdir=${scratch.subfolder(`${name}/tmp`)}`, // at its start a server deletes the temporary tables in its tmpdir
    `bind-address=${host}`,
    `port=${port}`,
    `user=${userInfo().username}`, // required when run by root; otherwise without effect
    "skip-name-resolve",
    ...lines,
  ]);
}

function write(folder: string, name: string, lines: readonly string[]): string {
  const file = join(folder, name);
  writeFileSync(file, `${lines.join("\n")}\n`, { mode: 0o600 });
  return file;
}
