import type { DatabaseAddress } from "./database-address.ts";
import { writeAccounts, writeSettings } from "./database-files.ts";
import type { Scratch, Server } from "./scratch.ts";
import { programOf } from "./sources.ts";

/** Small memory, but default durability: commits behave as in production. */
export const MARIADB_SETTINGS = [
  "innodb-buffer-pool-size=64M",
  "innodb-log-file-size=32M",
  "aria-pagecache-buffer-size=8M",
  "key-buffer-size=1M",
  "max-connections=300",
  "max-user-connections=300", // a server that starts without a limit refuses to set one later
  "performance-schema=off",
];

/** A MariaDB server as a process with its own folder; not started yet. */
export async function installMariaDb(
  scratch: Scratch,
  address: DatabaseAddress,
  more: readonly string[],
): Promise<Server> {
  const name = `mariadb-${address.port}`;
  const accounts = writeAccounts(scratch.subfolder(name), address, "create or replace user");
  const lines = [...MARIADB_SETTINGS, ...more];
  const defaults = `--defaults-file=${writeSettings(scratch, name, address, { section: "mariadbd", lines })}`;
  const env = { PATH: process.env["PATH"] };
  const create = [defaults, "--auth-root-authentication-method=normal", "--skip-test-db"];
  await scratch.run(...programOf("database", "mariadb-install-db", create), { name: `${name}-install`, env });
  const start = [defaults, `--init-file=${accounts}`];
  return scratch.process(...programOf("database", "mariadbd", start), { name, env });
}
