import type { DatabaseAddress } from "./database-address.ts";
import { writeAccounts, writeSettings } from "./database-files.ts";
import type { Scratch, Server } from "./scratch.ts";
import { programOf } from "./sources.ts";

/** Small memory, but default durability: commits behave as in production. */
export const MYSQL_SETTINGS = [
  "innodb-buffer-pool-size=64M",
  "innodb-redo-log-capacity=64M",
  "max-connections=300",
  "max-user-connections=300", // a server that starts without a limit refuses to set one later
  "mysqlx=off",
  "disable-log-bin", // no replica reads it
];

/** A MySQL server as a process with its own folder; not started yet. */
export async function installMySql(
  scratch: Scratch,
  address: DatabaseAddress,
  more: readonly string[],
): Promise<Server> {
  const name = `mysql-${address.port}`;
  const accounts = writeAccounts(scratch.subfolder(name), address, "create user if not exists");
  // Debian's folder for files to import exists only with its own service.
  const lines = ["secure-file-priv=NULL", ...MYSQL_SETTINGS, ...more];
  const defaults = `--defaults-file=${writeSettings(scratch, name, address, { section: "mysqld", lines })}`;
  const env = { PATH: process.env["PATH"] };
  const create = programOf("database", "mysqld", [defaults, "--initialize-insecure"]);
  await scratch.run(...create, { name: `${name}-install`, env });
  const start = [defaults, `--init-file=${accounts}`];
  return scratch.process(...programOf("database", "mysqld", start), { name, env });
}
