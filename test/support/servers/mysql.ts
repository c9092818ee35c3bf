import { writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import type { DatabaseAddress } from "./database-address.ts";
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
  { host, port, user, password }: DatabaseAddress,
  more: readonly string[],
): Promise<Server> {
  const name = `mysql-${port}`;
  const folder = scratch.subfolder(name);
  const accounts = join(folder, "accounts.sql");
  writeFileSync(
    accounts,
    [
      `create user if not exists ${user}@${host} identified by '${password}';`,
      `grant all privileges on *.* to ${user}@${host} with grant option;`,
      "drop user if exists root@localhost;",
      "",
    ].join("\n"),
    { mode: 0o600 },
  );
  const settings = join(folder, "my.cnf");
  writeFileSync(
    settings,
    [
      "[mysqld]",
      `datadir=${join(folder, "data")}`,
      `socket=${join(folder, "s")}`,
      `pid-file=${join(folder, "pid")}`,
      `tmpdir=${scratch.subfolder(`${name}/tmp`)}`, // at its start a server deletes the temporary tables in its tmpdir
      `bind-address=${host}`,
      `port=${port}`,
      `user=${userInfo().username}`, // required when run by root; otherwise without effect
      "secure-file-priv=NULL", // Debian's folder for it exists only with its own service
      "skip-name-resolve",
      ...MYSQL_SETTINGS,
      ...more,
      "",
    ].join("\n"),
    { mode: 0o600 },
  );
  const env = { PATH: process.env["PATH"] };
  const defaults = `--defaults-file=${settings}`;
  const create = programOf("database", "mysqld", [defaults, "--initialize-insecure"]);
  await scratch.run(...create, { name: `${name}-install`, env });
  // The server reads the accounts from a file before it listens, so it never accepts logins without a password.
  return scratch.process(...programOf("database", "mysqld", [defaults, `--init-file=${accounts}`]), {
    name,
    env,
  });
}
