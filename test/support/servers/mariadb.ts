import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import { containerServer } from "./docker.ts";
import { getProgram, type Mode } from "./install.ts";
import { type Scratch, type Server, waitUntil } from "./scratch.ts";

const HOST = "127.0.0.1";
const USER = "root";

/** Small memory, but default durability: commits behave as in production. */
const SETTINGS = [
  "innodb-buffer-pool-size=64M",
  "innodb-log-file-size=32M",
  "aria-pagecache-buffer-size=8M",
  "key-buffer-size=1M",
  "max-connections=300",
  "max-user-connections=300", // a server that starts without a limit refuses to set one later
  "performance-schema=off",
];

export interface MariaDbAddress {
  readonly host: string;
  readonly port: number;
  /** Has all privileges, including the creation of databases. */
  readonly user: string;
  readonly password: string;
}

/** A private MariaDB server on loopback. */
export interface MariaDb extends MariaDbAddress {
  readonly version: string;
  /** Changes with every restart; undefined in a container. */
  readonly pid: number | undefined;
  /** Kills the server with SIGKILL; keeps its data. */
  kill(): Promise<void>;
  /** Stops the server if it runs, and starts it again with the same port and data. */
  restart(): Promise<void>;
  /** Resolves when it has ended; may be called twice. */
  stop(): Promise<void>;
}

/** Starts MariaDB, and resolves when it answers a query. `settings` apply only where it is installed. */
export async function startMariaDb(
  scratch: Scratch,
  { mode, settings = [] }: { mode: Mode; settings?: readonly string[] },
): Promise<MariaDb> {
  const address: MariaDbAddress = {
    host: HOST,
    port: await scratch.freePort(),
    user: USER,
    password: randomBytes(12).toString("hex"),
  };
  const server =
    mode === "docker" ? inContainer(scratch, address) : await installed(scratch, address, settings);
  const start = async (): Promise<string> => {
    await server.start();
    return waitUntil("MariaDB", () => probe(address), { died: () => server.died() });
  };
  const version = await start();
  return {
    ...address,
    version,
    get pid() {
      return server.pid;
    },
    kill: () => server.kill(),
    async restart() {
      await server.kill();
      await start();
    },
    stop: () => server.kill(),
  };
}

async function installed(
  scratch: Scratch,
  { port, password }: MariaDbAddress,
  more: readonly string[],
): Promise<Server> {
  const name = `mariadb-${port}`;
  const folder = scratch.subfolder(name);
  const accounts = join(folder, "accounts.sql");
  writeFileSync(
    accounts,
    [
      `create or replace user ${USER}@${HOST} identified by '${password}';`,
      `grant all privileges on *.* to ${USER}@${HOST} with grant option;`,
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
      `bind-address=${HOST}`,
      `port=${port}`,
      `user=${userInfo().username}`, // required when run by root; otherwise without effect
      "skip-name-resolve",
      ...SETTINGS,
      ...more,
      "",
    ].join("\n"),
    { mode: 0o600 },
  );
  const env = { PATH: process.env["PATH"] };
  await scratch.run(
    getProgram("mariadb-install-db"),
    [`--defaults-file=${settings}`, "--auth-root-authentication-method=normal", "--skip-test-db"],
    { name: `${name}-install`, env },
  );
  // The server reads the accounts from a file before it listens, so it never accepts logins without a password.
  const args = [`--defaults-file=${settings}`, `--init-file=${accounts}`];
  return scratch.process(getProgram("mariadbd"), args, { name, env });
}

function inContainer(scratch: Scratch, { port, password }: MariaDbAddress): Server {
  return containerServer(scratch, {
    name: "authmq-mariadb",
    image: "mariadb:10.11",
    env: { MARIADB_ROOT_PASSWORD: password },
    ports: new Map([[port, 3306]]),
    args: SETTINGS.map((setting) => `--${setting}`),
  });
}

async function probe(address: MariaDbAddress): Promise<string | undefined> {
  const { host, port, user, password } = address;
  const connection = await createConnection({ host, port, user, password, connectTimeout: 2_000 });
  try {
    const [rows] = await connection.query<RowDataPacket[]>("select version() as version");
    return String(rows[0]?.["version"]).split("-")[0];
  } finally {
    connection.destroy();
  }
}
