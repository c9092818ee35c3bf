import { writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import type { DatabaseAddress } from "./database-address.ts";
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
  { host, port, user, password }: DatabaseAddress,
  more: readonly string[],
): Promise<Server> {
  const name = `mariadb-${port}`;
  const folder = scratch.subfolder(name);
  const accounts = join(folder, "accounts.sql");
  writeFileSync(
    accounts,
    [
      `create or replace user ${user}@${host} identified by '${password}';`,
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
      "[mariadbd]",
      `datadir=${join(folder, "data")}`,
      `socket=${join(folder, "s")}`,
      `pid-file=${join(folder, "pid")}`,
      `tmpdir=${scratch.subfolder(`${name}/tmp`)}`, // at its start a server deletes the temporary tables in its tmpdir
      `bind-address=${host}`,
      `port=${port}`,
      `user=${userInfo().username}`, // required when run by root; otherwise without effect
      "skip-name-resolve",
      ...MARIADB_SETTINGS,
      ...more,
      "",
    ].join("\n"),
    { mode: 0o600 },
  );
  const env = { PATH: process.env["PATH"] };
  const [create, createArgs] = programOf("database", "mariadb-install-db", [
    `--defaults-file=${settings}`,
    "--auth-root-authentication-method=normal",
    "--skip-test-db",
  ]);
  await scratch.run(create, createArgs, { name: `${name}-install`, env });
  // The server reads the accounts from a file before it listens, so it never accepts logins without a password.
  const args = [`--defaults-file=${settings}`, `--init-file=${accounts}`];
  return scratch.process(...programOf("database", "mariadbd", args), { name, env });
}
