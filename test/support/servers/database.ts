import { randomBytes } from "node:crypto";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import type { DatabaseAddress } from "./database-address.ts";
import { containerServer } from "./docker.ts";
import { installMariaDb, MARIADB_SETTINGS } from "./mariadb.ts";
import { installMySql, MYSQL_SETTINGS } from "./mysql.ts";
import { type Scratch, type Server, waitUntil } from "./scratch.ts";
import { parseSelection, type Product } from "./selection.ts";
import { sourceOf } from "./sources.ts";

const HOST = "127.0.0.1";
const USER = "root";

/** A private MariaDB or MySQL server on loopback. */
export interface DatabaseServer extends DatabaseAddress {
  readonly product: Product;
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

/** Starts the selected database server, and resolves when it answers a query. `settings` do not apply to a container. */
export async function startDatabase(
  scratch: Scratch,
  { settings = [] }: { settings?: readonly string[] } = {},
): Promise<DatabaseServer> {
  const address: DatabaseAddress = {
    host: HOST,
    port: await scratch.freePort(),
    user: USER,
    password: randomBytes(12).toString("hex"),
  };
  const { product } = parseSelection().database;
  const source = sourceOf("database");
  const install = product === "MySQL" ? installMySql : installMariaDb;
  const server =
    source.kind === "image"
      ? inContainer(scratch, source.image, product, address)
      : await install(scratch, address, settings);
  const start = async (): Promise<string> => {
    await server.start();
    return waitUntil(product, () => probe(address), { died: () => server.died() });
  };
  const version = await start();
  return {
    ...address,
    product,
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

function inContainer(
  scratch: Scratch,
  image: string,
  product: Product,
  { port, password }: DatabaseAddress,
): Server {
  const settings = product === "MySQL" ? MYSQL_SETTINGS : MARIADB_SETTINGS;
  return containerServer(scratch, {
    name: `authmq-${product.toLowerCase()}`,
    image,
    env: { [`${product.toUpperCase()}_ROOT_PASSWORD`]: password },
    ports: new Map([[port, 3306]]),
    args: settings.map((setting) => `--${setting}`),
  });
}

async function probe({ host, port, user, password }: DatabaseAddress): Promise<string | undefined> {
  const connection = await createConnection({ host, port, user, password, connectTimeout: 2_000 });
  try {
    const [rows] = await connection.query<RowDataPacket[]>("select version() as version");
    return String(rows[0]?.["version"]).split("-")[0];
  } finally {
    connection.destroy();
  }
}
