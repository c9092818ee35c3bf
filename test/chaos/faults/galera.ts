import { setTimeout as sleep } from "node:timers/promises";
import type { DatabaseServer } from "../../support/servers/database.ts";
import type { InjectedFault, ScenarioContext } from "../scenario.ts";
import { withRoot } from "../stores.ts";
import { freeze } from "./broker.ts";
import { findUsed, ON_CLUSTER } from "./cluster.ts";

/** Longer than five seconds, after which the others exclude a silent node (`evs.suspect_timeout`). */
const SILENCE = 8000;

/** Number of users that several callers log in at once, and number of these callers. */
const HOT_USERS = 4;
const HOT_CALLERS = 16;

/** Faults of a Galera cluster of three nodes. Each worker writes to another node. */
export const GALERA_FAULTS: readonly InjectedFault[] = [
  { name: "conflicts at the commit", ...ON_CLUSTER, inject: conflict },
  { name: "revocations while a Galera node lags", ...ON_CLUSTER, inject: revoke },
  {
    name: "database connections cut every 300 ms",
    ...ON_CLUSTER,
    async inject({ setup, duration }) {
      for (const end = Date.now() + duration; Date.now() < end; await sleep(300))
        for (const relay of setup.failovers) relay.cut();
    },
  },
  {
    name: "a worker's Galera node killed",
    ...ON_CLUSTER,
    // The node stays down while the recovery time is measured.
    inject: ({ setup }) => nodeOf(setup, 1).kill(),
    repair: ({ setup }) => nodeOf(setup, 1).restart(),
  },
  {
    name: "a worker's Galera node cut off for 8 s",
    ...ON_CLUSTER,
    inject: ({ setup }) =>
      withRoot(nodeOf(setup, 1), async (query) => {
        await query("set global wsrep_provider_options = 'gmcast.isolate=1'");
        await sleep(SILENCE);
        await query("set global wsrep_provider_options = 'gmcast.isolate=0'");
      }),
  },
  {
    name: "a worker's Galera node frozen for 8 s",
    ...ON_CLUSTER,
    inject: ({ setup }) => freeze(nodeOf(setup, 1).pid, SILENCE),
  },
  {
    name: "the workers' broker node and a worker's Galera node killed",
    ...ON_CLUSTER,
    async inject({ setup }) {
      await Promise.all([findUsed(setup).kill(), nodeOf(setup, 0).kill()]);
    },
    async repair({ setup }) {
      const isDown = ({ pid }: { pid: number | undefined }): boolean => pid === undefined;
      const { broker, databases } = setup.servers;
      await Promise.all([...broker.nodes, ...databases].filter(isDown).map((node) => node.restart()));
    },
  },
];

function nodeOf({ servers }: ScenarioContext["setup"], index: number): DatabaseServer {
  const node = servers.databases[index];
  if (node === undefined) throw new Error(`there is no database node ${index + 1}`);
  return node;
}

/** Logs the same users in through both workers, which change the same rows at two nodes. */
async function conflict({ setup, sender, intents, duration }: ScenarioContext): Promise<void> {
  const { databases } = setup.servers;
  const users = Array.from({ length: HOT_USERS }, (_, index) => newUser(`hot-${index}`));
  for (const [index, user] of users.entries())
    await sender.send(intents.createUser(user), { caller: "hot", key: `hot-${index}` });
  const before = await countConflicts(databases);
  const end = Date.now() + duration;
  const logIn = async (caller: number): Promise<void> => {
    for (let round = 0; Date.now() < end; round++) {
      const user = users[(caller + round) % HOT_USERS];
      if (user !== undefined)
        await sender.send(intents.login(user), { caller: "hot", key: `hot-${caller}-${round}` });
    }
  };
  await Promise.all(Array.from({ length: HOT_CALLERS }, (_, caller) => logIn(caller)));
  const conflicts = (await countConflicts(databases)) - before;
  if (conflicts === 0) throw new Error("no transaction met a conflict");
}

/** Ends sessions while one node applies nothing for short times, and uses their tokens at once. */
async function revoke({ setup, sender, intents, duration }: ScenarioContext): Promise<void> {
  const end = Date.now() + duration;
  const lag = withRoot(nodeOf(setup, 1), async (query) => {
    for (; Date.now() < end; await sleep(200)) {
      await query("flush tables with read lock");
      await sleep(300);
      await query("unlock tables");
    }
  });
  const logOut = async (caller: number): Promise<void> => {
    const user = newUser(`leaving-${caller}`);
    const send = async (intent: Parameters<typeof sender.send>[0], key: string): Promise<unknown> => {
      const { result } = await sender.send(intent, { caller: "leaving", key: `${user.username}-${key}` });
      return result?.data["id_token"];
    };
    await send(intents.createUser(user), "create");
    for (let round = 0; Date.now() < end; round++) {
      const token = await send(intents.login(user), `in-${round}`);
      if (typeof token !== "string") return;
      await send(intents.logout(user, token), `out-${round}`);
      await send(intents.useRevokedToken(token), `use-${round}`);
    }
  };
  await Promise.all([lag, ...Array.from({ length: HOT_CALLERS }, (_, caller) => logOut(caller))]);
}

/** How many transactions of clients were rejected at their commit, or aborted by another node's transaction. */
async function countConflicts(nodes: readonly DatabaseServer[]): Promise<number> {
  const counts = await Promise.all(
    nodes.map((node) =>
      withRoot(node, (query) =>
        query("show status where variable_name in ('wsrep_local_cert_failures', 'wsrep_local_bf_aborts')"),
      ),
    ),
  );
  return counts.flat().reduce((sum, row) => sum + Number(row["Value"]), 0);
}

function newUser(username: string): Parameters<ScenarioContext["intents"]["createUser"]>[0] {
  return { username, password: "used in this fault only", email: `${username}@example.com`, groups: [] };
}
