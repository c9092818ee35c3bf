import { setTimeout as sleep } from "node:timers/promises";
import { control } from "../control.ts";
import type { InjectedFault, ScenarioContext } from "../scenario.ts";

const BOTH = ["mysql", "sqlite"] as const;

/** Longer than two heartbeats of two seconds, after which either side closes a silent connection. */
const HALF_OPEN = 6500;

/** Faults of the broker and of the network to it. */
export const BROKER_FAULTS: readonly InjectedFault[] = [
  {
    name: "broker killed and restarted",
    databases: BOTH,
    async inject({ setup }) {
      const [node] = setup.servers.broker.nodes;
      await node?.kill();
      await node?.restart();
    },
  },
  {
    name: "broker connections cut",
    databases: BOTH,
    async inject({ setup }) {
      for (const proxy of setup.brokerProxies) proxy.cut();
      await sleep(1000);
      for (const proxy of setup.brokerProxies) proxy.restore();
    },
  },
  {
    name: "broker frozen for 1 s",
    databases: BOTH,
    needsProcesses: true,
    inject: ({ setup }) => freeze(setup.servers.broker.nodes[0]?.pid, 1000),
  },
  {
    name: "broker connections half-open for 6.5 s",
    databases: BOTH,
    async inject({ setup }) {
      for (const proxy of setup.brokerProxies) proxy.hang();
      await sleep(HALF_OPEN);
      for (const proxy of setup.brokerProxies) proxy.restore();
    },
  },
  {
    name: "connections closed by the operator",
    databases: BOTH,
    async inject({ setup: { servers, vhost, workerUser }, duration }) {
      let closed = 0;
      for (const end = Date.now() + duration; Date.now() < end; await sleep(700)) {
        closed += await servers.broker.closeConnections(vhost, workerUser);
      }
      if (closed === 0) throw new Error("no connection to close");
    },
  },
  {
    name: "queues deleted",
    databases: BOTH,
    async inject({ setup: { servers, vhost }, duration }) {
      await servers.broker.withChannel(vhost, async (channel) => {
        for (const end = Date.now() + duration; Date.now() < end; await sleep(500)) {
          for (const queue of ["user_get", "group_create", "login"]) await channel.deleteQueue(queue);
        }
      });
    },
  },
  {
    name: "queue re-declared by another client",
    databases: BOTH,
    async inject({ setup: { servers, vhost } }) {
      const queue = "group_create"; // also used by probes
      await servers.broker.withChannel(vhost, async (channel) => {
        // Pipelined, so that no worker declares the queue in between.
        const deleted = channel.deleteQueue(queue);
        await Promise.all([deleted, channel.assertQueue(queue, { durable: true, messageTtl: 60_000 })]);
        await sleep(2000);
        await channel.deleteQueue(queue);
      });
    },
  },
  { name: "memory alarm for 3 s", databases: BOTH, needsProcesses: true, inject: raiseAlarm },
  {
    name: "network to the broker 100 ms slow",
    databases: BOTH,
    async inject({ setup, duration }) {
      for (const proxy of setup.brokerProxies) proxy.delay(100);
      await sleep(duration);
      for (const proxy of setup.brokerProxies) proxy.delay(0);
    },
  },
  {
    name: "permissions revoked for 2 s",
    databases: BOTH,
    async inject({ setup: { servers, vhost, workerUser } }) {
      await servers.broker.forbid(vhost, workerUser);
      // An open channel caches its permissions.
      await servers.broker.closeConnections(vhost, workerUser);
      await sleep(2000);
      await servers.broker.allow(vhost, workerUser);
    },
  },
];

/** Stops all threads of a process for a duration in milliseconds. */
export async function freeze(pid: number | undefined, duration: number): Promise<void> {
  if (pid === undefined) throw new Error("no process to freeze");
  process.kill(pid, "SIGSTOP");
  try {
    await sleep(duration);
  } finally {
    process.kill(pid, "SIGCONT");
  }
}

/** Raises the memory alarm: the broker blocks all publishers, callers and workers alike. */
async function raiseAlarm({ setup }: ScenarioContext): Promise<void> {
  const pid = setup.servers.broker.nodes[0]?.pid;
  if (pid === undefined) throw new Error("no broker process");
  await control(pid, "set_vm_memory_high_watermark", "absolute", "1");
  await sleep(3000);
  await control(pid, "set_vm_memory_high_watermark", "0.4");
}
