import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { killConnectionsOf } from "../../support/connections-of.ts";
import type { InjectedFault, ScenarioContext } from "../scenario.ts";
import { withRoot } from "../stores.ts";
import { freeze } from "./broker.ts";

const SERVER = ["mysql"] as const;

/** max_connections of the servers of this harness. */
const MAX_CONNECTIONS = 300;

/** Faults of the database and of the network to it. */
export const DATABASE_FAULTS: readonly InjectedFault[] = [
  {
    name: "database connections cut",
    databases: SERVER,
    async inject({ setup: { databaseProxy } }) {
      databaseProxy.cut();
      await sleep(2000);
      databaseProxy.restore();
    },
  },
  {
    name: "database frozen for 3 s",
    databases: SERVER,
    needsProcesses: true,
    inject: ({ setup }) => freeze(setup.servers.database.pid, 3000),
  },
  {
    name: "database killed and restarted",
    databases: SERVER,
    async inject({ setup: { servers } }) {
      await servers.database.kill();
      await servers.database.restart();
    },
  },
  {
    name: "database read only for 3 s",
    databases: SERVER,
    inject: ({ setup }) =>
      withRoot(setup.servers.database, async (query) => {
        await query("set global read_only = 1");
        await sleep(3000);
        await query("set global read_only = 0");
      }),
  },
  {
    name: "too many connections for 3 s",
    databases: SERVER,
    inject: ({ setup }) =>
      withRoot(setup.servers.database, async (query) => {
        await query("set global max_connections = 10");
        try {
          await killConnectionsOf(databaseOf(setup), query);
          await sleep(3000);
        } finally {
          await query(`set global max_connections = ${MAX_CONNECTIONS}`);
        }
      }),
  },
  {
    name: "database connections killed every 300 ms",
    databases: SERVER,
    inject: ({ setup, duration }) =>
      withRoot(setup.servers.database, async (query) => {
        for (const end = Date.now() + duration; Date.now() < end; await sleep(300)) {
          await killConnectionsOf(databaseOf(setup), query);
        }
      }),
  },
  {
    name: "rows locked for 2 s",
    databases: SERVER,
    inject: ({ setup }) =>
      withRoot(setup.servers.database, async (query) => {
        await query(`use ${databaseOf(setup)}`);
        await query("begin");
        for (const table of ["user", "group", "usergroup", "token"]) {
          await query(`select * from \`${table}\` for update`);
        }
        await sleep(2000);
        await query("rollback");
      }),
  },
  {
    name: "write lock held by another process for 2 s",
    databases: ["sqlite"],
    async inject({ setup: { store } }) {
      const other = new DatabaseSync(String(store.settings(0)["file"]), { timeout: 5000 });
      other.exec("begin immediate");
      await sleep(2000);
      other.exec("rollback");
      other.close();
    },
  },
  {
    name: "database 50 ms slow",
    databases: SERVER,
    async inject({ setup: { databaseProxy }, duration }) {
      databaseProxy.delay(50);
      await sleep(duration);
      databaseProxy.delay(0);
    },
  },
  {
    name: "broker and database cut together",
    databases: SERVER,
    async inject({ setup: { databaseProxy, brokerProxies } }) {
      const proxies = [databaseProxy, ...brokerProxies];
      for (const proxy of proxies) proxy.cut();
      await sleep(2000);
      for (const proxy of proxies) proxy.restore();
    },
  },
];

function databaseOf({ store }: ScenarioContext["setup"]): string {
  return String(store.settings(0)["database"]);
}
