import { setTimeout as sleep } from "node:timers/promises";
import type { Stage as RequestStage } from "../../../src/observability/stages.ts";
import { waitUntil } from "../../support/servers/scratch.ts";
import type { InjectedFault, ScenarioContext } from "../scenario.ts";

const BOTH = ["mysql", "sqlite"] as const;

/** After this silence in milliseconds, the broker has closed a worker's connections and redelivered its messages. */
const FROZEN = 6500;

/** Faults of a worker's process. */
export const WORKER_FAULTS: readonly InjectedFault[] = [
  killedAt("worker killed after the commit", "committed", 30),
  killedAt("worker killed before the reply", "handled", 80),
  killedAt("worker killed before the ack", "replied", 80),
  {
    name: "worker killed every 700 ms",
    databases: BOTH,
    async inject({ setup: { replicas }, duration }) {
      const end = Date.now() + duration;
      for (let round = 0; Date.now() < end; round++) {
        replicas[round % 2 === 0 ? 0 : 1].kill();
        await sleep(700);
      }
      await Promise.all(replicas.map((replica) => replica.ready()));
    },
  },
  {
    name: "worker frozen for 6.5 s",
    databases: BOTH,
    async inject({ setup: { replicas } }) {
      replicas[0].freeze();
      await sleep(FROZEN);
      replicas[0].thaw();
    },
  },
  {
    name: "rolling restart",
    databases: BOTH,
    unnoticed: true,
    async inject({ setup: { replicas } }) {
      for (const replica of replicas) {
        const code = await replica.stop();
        if (code !== 0) throw new Error(`a worker ended with ${code} after SIGTERM`);
        await replica.start();
      }
    },
  },
  {
    name: "all workers down for 1.5 s",
    databases: BOTH,
    async inject({ setup: { replicas } }) {
      await Promise.all(replicas.map((replica) => replica.stop()));
      await sleep(1500);
      await Promise.all(replicas.map((replica) => replica.start()));
    },
  },
  {
    name: "poison request",
    databases: BOTH,
    kill: { stage: "started", prefix: "poison" },
    inject: sendPoison,
  },
];

/** Each worker kills itself at every N-th request that reaches a stage. */
function killedAt(name: string, stage: RequestStage, every: number): InjectedFault {
  return {
    name,
    databases: BOTH,
    kill: { stage, every },
    async inject({ setup, duration }) {
      const { replicas } = setup;
      setup.arm();
      await sleep(duration);
      // Wait until it has happened, also on a slow machine.
      await waitUntil("a worker's end", () => replicas.some(({ kills }) => kills > 0));
      setup.disarm();
      await Promise.all(replicas.map((replica) => replica.ready()));
    },
  };
}

/** A worker that starts to process this request dies; after the third time, it must be parked. */
async function sendPoison({ setup, sender, intents }: ScenarioContext): Promise<void> {
  for (const key of [undefined, "poison"]) {
    const intent = { ...intents.createGroup(`poison-${key ?? "unkeyed"}`), expect: 500, facts: [] };
    const { attempts, result } = await sender.send(intent, {
      caller: "poisoner",
      key,
      prefix: "poison-",
      limit: 60_000,
    });
    if (result === undefined) throw new Error("the poison message got no reply");
    const ids = new Set(attempts.map(({ correlationId }) => correlationId));
    const begun = setup.readDeliveries().filter(({ correlationId }) => ids.has(correlationId));
    const deaths = begun.filter(({ stage }) => stage === "started").length;
    if (deaths !== 3) throw new Error(`the poison message killed ${deaths} workers, expected 3`);
  }
  await Promise.all(setup.replicas.map((replica) => replica.ready()));
}
