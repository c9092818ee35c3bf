import { parseConfig } from "../../src/config/load.ts";
import { migrate } from "../../src/db/migrate.ts";
import { createLogTo } from "../../src/observability/log.ts";
import { createMetrics } from "../../src/observability/metrics.ts";
import { createWorker, type Worker } from "../../src/worker.ts";
import { type BrokerUser, createBrokerUser } from "../support/broker-user.ts";
import type { LogLine } from "../support/log-lines.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { provision } from "../support/worker.ts";

/** An installation with its own broker user, which a test can limit. */
export interface Limited extends AsyncDisposable {
  readonly raw: Awaited<ReturnType<typeof provision>>["raw"];
  readonly vhost: string;
  readonly user: BrokerUser;
  readonly lines: LogLine[];
  /** Starts a worker; `started` may never settle. */
  begin(): Promise<{ readonly worker: Worker; readonly started: Promise<void> }>;
  /** How often a connection for this purpose was opened. */
  connects(purpose: string): Promise<number>;
}

/** A timeout that suffices on a busy machine. */
export const BUSY = { seconds: 40 };

/** Sets up an installation with its own broker user. */
export async function startLimited(): Promise<Limited> {
  const { raw, vhost, cleanUp } = await provision();
  const user = await createBrokerUser(vhost.name);
  const { username, password } = user;
  raw["amqp_settings"] = { ...raw["amqp_settings"], username, password };
  const lines: LogLine[] = [];
  const log = createLogTo({ write: (line) => void lines.push(JSON.parse(line) as LogLine) }, "info");
  const config = parseConfig(raw, { keys: true, env: {}, folder: scratchFolder });
  await migrate(config.db);
  const metrics = createMetrics();
  const workers: Worker[] = [];
  return {
    raw,
    vhost: vhost.name,
    user,
    lines,
    async begin() {
      const worker = await createWorker(config, log, metrics);
      workers.push(worker);
      const started = worker.start();
      started.catch(() => undefined); // a test may ignore it
      return { worker, started };
    },
    async connects(purpose) {
      const found = new RegExp(`broker_connects_total{purpose="${purpose}"} (\\d+)`).exec(
        await metrics.render(),
      );
      return Number(found?.[1] ?? 0);
    },
    async [Symbol.asyncDispose]() {
      for (const worker of workers) await worker.stop();
      await user[Symbol.asyncDispose]();
      await cleanUp();
    },
  };
}

/** Starts a worker above a channel limit. RabbitMQ counts channels late and may miss a burst: then it tries again. */
export async function beginAboveLimit(limited: Limited): ReturnType<Limited["begin"]> {
  for (;;) {
    const before = await limited.connects("requests");
    const { worker, started } = await limited.begin();
    const isServing = started.then(() => true);
    const hasReconnected = waitUntil(
      "some attempts",
      async () => ((await limited.connects("requests")) >= before + 4 ? true : undefined),
      BUSY,
    ).then(() => false);
    if (!(await Promise.race([isServing, hasReconnected]))) return { worker, started };
    hasReconnected.catch(() => undefined);
    await worker.stop();
    limited.lines.length = 0;
  }
}
