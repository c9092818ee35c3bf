import { setTimeout as sleep } from "node:timers/promises";
import { SupervisedConnection } from "./amqp/connection.ts";
import { ConsumerFaults } from "./amqp/consumer-faults.ts";
import { QueueConsumer } from "./amqp/consumer.ts";
import { EventPublisher } from "./amqp/event-publisher.ts";
import { Replies } from "./amqp/reply.ts";
import { hashesAtOnce } from "./auth/password.ts";
import { caFiles } from "./config/certificates.ts";
import type { Config } from "./config/load.ts";
import { AppError } from "./errors.ts";
import { type Engine, openEngine, type ReadEncryptionKeys } from "./engine.ts";
import { HealthServer, type Readiness } from "./observability/health.ts";
import type { Log } from "./observability/log.ts";
import { createMetrics, type Metrics } from "./observability/metrics.ts";
import { createReadiness, type Phase } from "./readiness.ts";
import { PROCEDURES } from "./procedures/index.ts";
import type { Procedure } from "./rpc/procedure.ts";
import { readPackage } from "./schemas/package.ts";

/** How long a stop waits for running requests, in milliseconds. */
const GRACE = 10_000;

/** A worker that answers requests from the broker. */
export interface Worker {
  /** Resolves when all queues are consumed; waits for a database or broker that is down, rejects if one refuses. */
  start(): Promise<void>;
  /** Stops consuming, finishes running requests within ten seconds, closes everything. May be called twice. */
  stop(): Promise<void>;
  /** Replaces token and encryption keys without dropping requests; ignores the rest of the configuration. */
  readonly useKeys: Engine["useKeys"];
  /** Whether the worker accepts requests, and the state of its dependencies. */
  readiness(): Promise<Readiness>;
  readonly metrics: Metrics;
}

/** Creates a worker; the configuration needs a signing key. `readKeys` as for the engine. */
export async function createWorker(
  config: Config,
  log: Log,
  metrics = createMetrics(),
  readKeys?: ReadEncryptionKeys,
): Promise<Worker> {
  const { version } = readPackage();
  metrics.gauge("build_info", { version, node: process.versions.node }, () => 1);
  const engine = await openEngine(config, log, metrics, readKeys);
  const replies = new Replies({ amqp: config.amqp, metrics, log });
  const faults = new ConsumerFaults({ amqp: config.amqp, log });
  const byWorkflow = PROCEDURES.map((procedure) => {
    const { name } = procedure;
    const consumer = new QueueConsumer({
      queue: config.queues.get(name) ?? name,
      workflow: name,
      profile: config.amqp.queues,
      prefetch: config.amqp.prefetch_by_queue?.[name] ?? prefetchOf(procedure, config),
      heartbeat: config.amqp.heartbeat,
      handle: (incoming, notes) => engine.pipeline.handle(name, incoming, notes),
      replies,
      faults,
      metrics,
      log,
    });
    return [name, consumer] as const;
  });
  const consumers = byWorkflow.map(([, consumer]) => consumer);
  const requests = new SupervisedConnection({
    amqp: config.amqp,
    purpose: "requests",
    metrics,
    log,
    onOpen: async (model) => {
      for (const consumer of consumers) void consumer.open(model);
    },
    onClosed: () => {
      for (const consumer of consumers) consumer.disconnected();
    },
  });
  const events = config.events.publish
    ? new EventPublisher({ amqp: config.amqp, exchange: config.events.exchange, metrics, log })
    : undefined;
  const readiness = createReadiness({
    ...engine,
    requests,
    replies,
    events,
    consumers: new Map(byWorkflow),
    caFiles: caFiles(config),
  });
  let phase: Phase = "starting";
  const health =
    config.health &&
    new HealthServer(config.health, {
      readiness: () => readiness(phase),
      jwks: () => engine.jwks(),
      metrics,
      log,
    });
  const stopping = new AbortController();
  let stopped: Promise<void> | undefined;

  const stop = async (): Promise<void> => {
    phase = "stopping";
    stopping.abort();
    const drained = Promise.all(consumers.map((consumer) => consumer.drain()));
    await Promise.race([drained, sleep(GRACE, undefined, { ref: false })]);
    await Promise.all([requests.stop(), replies.stop()]);
    await engine.close();
    await events?.stop();
    await health?.stop();
    log.info({ counters: await metrics.snapshot() }, "stopped");
  };

  return {
    async start() {
      if (health !== undefined) metrics.includeProcess();
      await health?.start();
      await waitForSchema(engine, log, stopping.signal);
      engine.startCleanup();
      await replies.start();
      await requests.start();
      if (events !== undefined) {
        events.start();
        engine.startRelay(events);
      }
      await Promise.all(consumers.map((consumer) => consumer.ready));
      if (!stopping.signal.aborted) phase = "serving";
    },
    stop: () => (stopped ??= stop()),
    useKeys: (keys) => engine.useKeys(keys),
    readiness: () => readiness(phase),
    metrics,
  };
}

/** A queue that hashes has a low prefetch: other requests wait in the broker, where other replicas can take them. */
function prefetchOf({ hashes, asksDirectory }: Procedure, { amqp, directory, kerberos }: Config): number {
  // Unless its requests may wait for a directory: they must not block the others.
  const waitsElsewhere = asksDirectory === true && (directory !== undefined || kerberos !== undefined);
  return hashes === true && !waitsElsewhere ? Math.min(amqp.prefetch, 2 * hashesAtOnce()) : amqp.prefetch;
}

async function waitForSchema(engine: Engine, log: Log, stopped: AbortSignal): Promise<void> {
  for (;;) {
    try {
      const { pending, newer } = await engine.usableSchema();
      if (newer.length > 0) log.warn({ newer }, "the database schema is from a later version");
      if (pending.length === 0) return;
      throw new Error(
        `the database lacks ${pending.join(", ")}: run "authmq migrate", or "authmq serve --migrate"`,
      );
    } catch (error) {
      if (stopped.aborted) throw new Error("stopped before the database was reachable", { cause: error });
      if (!(error instanceof AppError && error.code === "UNAVAILABLE")) throw error;
      log.warn({ err: error }, "cannot reach the database, trying again");
      await sleep(1000, undefined, { signal: stopped }).catch(() => undefined);
    }
  }
}
