import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cpSync, existsSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import type { DatabaseAddress } from "./database-address.ts";
import { writeAccounts } from "./database-files.ts";
import type { DatabaseServer } from "./database.ts";
import { findProgram, getProgram, installPackages } from "./install.ts";
import { MARIADB_SETTINGS } from "./mariadb.ts";
import { type Scratch, type Server, waitUntil } from "./scratch.ts";

const run = promisify(execFile);

const HOST = "127.0.0.1";
const PROVIDER = "/usr/lib/galera/libgalera_smm.so";
const TRANSFER_METHOD = "authmq";

/**
 * The script that a joining node and its donor run. Every node starts with a copy of the same data, so a joiner needs
 * only the missing transactions, which the nodes send themselves. The script passes on the position. Debian's scripts
 * would do the same in ten seconds, and cannot run as root. A node too far behind for that does not start.
 */
const TRANSFER = `#!/bin/sh
set -eu
bypass=0
while [ $# -gt 0 ]; do
  case "$1" in
    --role) role=$2; shift ;;
    --address) address=$2; shift ;;
    --datadir) data=$2; shift ;;
    --gtid) gtid=$2; shift ;;
    --gtid-domain-id) domain=$2; shift ;;
    --bypass) bypass=1 ;;
  esac
  shift
done
if [ "$role" = joiner ]; then
  file=$data/position
  rm -f "$file"
  echo "ready 127.0.0.1:1/$file"
  while [ ! -s "$file" ]; do [ -d /proc/$PPID ]; sleep 0.05; done
  cat "$file"
else
  [ "$bypass" = 1 ]
  file=/\${address#*/}
  echo continue
  echo "$gtid $domain" > "$file.new"
  mv "$file.new" "$file"
  echo "done $gtid $domain"
fi
`;

/** Whether MariaDB and Galera are installed. */
export function hasGalera(): boolean {
  return findProgram("mariadbd") !== undefined && existsSync(PROVIDER);
}

/** Installs MariaDB and Galera from Debian's packages unless they are there. */
export async function provideGalera(say: (line: string) => void): Promise<void> {
  if (!hasGalera()) await installPackages(["mariadb-server", "galera-4"], say);
}

/** Starts a Galera cluster on loopback; resolves when every node answers. `settings` are lines of my.cnf. */
export async function startGalera(
  scratch: Scratch,
  { nodes: count, settings = [] }: { nodes: number; settings?: readonly string[] },
): Promise<readonly DatabaseServer[]> {
  const password = randomBytes(12).toString("hex");
  const addresses: NodeAddress[] = [];
  for (let index = 0; index < count; index++) {
    const [port, group, transfer] = [
      await scratch.freePort(),
      await scratch.freePort(),
      await scratch.freePort(),
    ];
    addresses.push({ host: HOST, port, group, transfer, user: "root", password });
  }
  const bin = scratch.subfolder("galera-bin");
  writeFileSync(join(bin, `wsrep_sst_${TRANSFER_METHOD}`), TRANSFER, { mode: 0o700 });
  const files = addresses.map((address) => writeSettings(scratch, addresses, address, settings));
  const nodes = addresses.map((address, index) => galeraNode(scratch, address, files[index] ?? "", bin));
  const [[first, ...others], [creator]] = [addresses, nodes];
  if (first === undefined || creator === undefined) throw new Error("a cluster needs a node");
  await createData(scratch, first, files[0] ?? "");
  // The data has a position in the cluster's history only after the first node has run.
  await creator.start(true);
  await creator.shutDown();
  for (const other of others)
    cpSync(join(folderOf(scratch, first), "data"), join(folderOf(scratch, other), "data"), {
      recursive: true,
    });
  for (const node of nodes) await node.start(node === creator);
  return nodes;
}

interface NodeAddress extends DatabaseAddress {
  /** Port for the other nodes. */
  readonly group: number;
  /** Port to receive missing transactions at a start. */
  readonly transfer: number;
}

function folderOf(scratch: Scratch, { port }: NodeAddress): string {
  return scratch.subfolder(`galera-${port}`);
}

function writeSettings(
  scratch: Scratch,
  all: readonly NodeAddress[],
  address: NodeAddress,
  more: readonly string[],
): string {
  const { host, port, group, transfer } = address;
  const folder = folderOf(scratch, address);
  const file = join(folder, "my.cnf");
  const provider = {
    "gmcast.listen_addr": `tcp://${host}:${group}`,
    "ist.recv_addr": `${host}:${transfer}`,
    "gcache.size": "64M",
  };
  const lines = [
    "[mariadbd]",
    `datadir=${join(folder, "data")}`,
    `socket=${join(folder, "s")}`,
    `pid-file=${join(folder, "pid")}`,
    `tmpdir=${scratch.subfolder(`galera-${port}/tmp`)}`,
    `bind-address=${host}`,
    `port=${port}`,
    `user=${userInfo().username}`,
    "skip-name-resolve",
    ...MARIADB_SETTINGS,
    "binlog-format=ROW",
    "innodb-autoinc-lock-mode=2",
    "wsrep-on=ON",
    `wsrep-provider=${PROVIDER}`,
    `wsrep-cluster-address=gcomm://${all.map((one) => `${one.host}:${one.group}`).join(",")}`,
    `wsrep-node-address=${host}:${group}`,
    `wsrep-node-name=node-${port}`,
    `wsrep-sst-method=${TRANSFER_METHOD}`,
    "wsrep-slave-threads=2",
    `wsrep-provider-options="${Object.entries(provider)
      .map(([name, value]) => `${name}=${value}`)
      .join(";")}"`,
    ...more,
    "",
  ];
  writeFileSync(file, lines.join("\n"), { mode: 0o600 });
  return file;
}

/** Creates the data of a node that is not started yet. */
async function createData(scratch: Scratch, address: NodeAddress, file: string): Promise<void> {
  const accounts = writeAccounts(folderOf(scratch, address), address, "create or replace user");
  const args = [
    `--defaults-file=${file}`,
    "--auth-root-authentication-method=normal",
    "--skip-test-db",
    `--extra-file=${accounts}`,
  ];
  await scratch.run(getProgram("mariadb-install-db"), args, {
    name: "galera-install",
    env: { PATH: process.env["PATH"] },
  });
}

interface GaleraNode extends DatabaseServer {
  /** Starts the node, which creates the cluster or joins it. */
  start(creates: boolean): Promise<void>;
  /** Stops the node gracefully. */
  shutDown(): Promise<void>;
}

function galeraNode(scratch: Scratch, address: NodeAddress, file: string, bin: string): GaleraNode {
  const env = { PATH: `${bin}:${process.env["PATH"]}` };
  let server: Server | undefined;
  let version = "";
  const start = async (args: readonly string[]): Promise<void> => {
    const name = `galera-${address.port}`;
    server = scratch.process(getProgram("mariadbd"), [`--defaults-file=${file}`, ...args], { name, env });
    await server.start();
    version = await waitUntil(name, () => probe(address), { died: () => server?.died() });
  };
  return {
    host: address.host,
    port: address.port,
    user: address.user,
    password: address.password,
    product: "MariaDB",
    get version() {
      return version;
    },
    get pid() {
      return server?.pid;
    },
    start: (creates) => start(creates ? ["--wsrep-new-cluster"] : []),
    async shutDown() {
      if (server?.pid !== undefined) process.kill(server.pid, "SIGTERM");
      await waitUntil("the end of a node", () => server?.pid === undefined);
    },
    kill: async () => server?.kill(),
    async restart() {
      await server?.kill();
      await start([`--wsrep-start-position=${await recoverPosition(file, env)}`]);
    },
    stop: async () => server?.kill(),
  };
}

/** The last transaction in the data of a killed node: like Debian's unit, which runs the same command. */
async function recoverPosition(file: string, env: NodeJS.ProcessEnv): Promise<string> {
  const args = [`--defaults-file=${file}`, "--wsrep-recover", "--disable-log-error"];
  const { stderr } = await run(getProgram("mariadbd"), args, { env, timeout: 60_000 });
  const [, position] = /Recovered position: *([0-9a-f-]+:-?\d+)/.exec(stderr) ?? [];
  if (position === undefined) throw new Error(`no position in the data of a node\n${stderr}`);
  return position;
}

/** The version of a node that takes part in its cluster; undefined until then. */
async function probe({ host, port, user, password }: DatabaseAddress): Promise<string | undefined> {
  const connection = await createConnection({ host, port, user, password, connectTimeout: 2_000 });
  try {
    const [[row]] = await connection.query<RowDataPacket[]>("show status like 'wsrep_local_state_comment'");
    if (row?.["Value"] !== "Synced") return undefined;
    const [[found]] = await connection.query<RowDataPacket[]>("select version() as version");
    return String(found?.["version"]).split("-")[0];
  } finally {
    connection.destroy();
  }
}
