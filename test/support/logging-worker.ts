import { connectRpc, type RpcClient } from "../../src/client/rpc-client.ts";
import { setUpLog } from "../../src/cli/serve/log-setup.ts";
import { type Config, parseConfig } from "../../src/config/load.ts";
import { migrate } from "../../src/db/migrate.ts";
import type { Log } from "../../src/observability/log.ts";
import { createMetrics, type Metrics } from "../../src/observability/metrics.ts";
import { createWorker } from "../../src/worker.ts";
import { scratchFolder } from "./scratch-folder.ts";
import type { LogLine } from "./log-lines.ts";
import { type Proxy, startProxy } from "./proxy.ts";
import { connectRaw, type RawCaller } from "./raw-caller.ts";
import { provision } from "./worker.ts";

/** A worker that logs to an exchange through a relay that a test can cut, with the log of both destinations. */
export interface LoggingWorker extends AsyncDisposable {
  readonly config: Config;
  readonly proxy: Proxy;
  readonly caller: RawCaller;
  readonly client: RpcClient;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Records that the exchange has received so far, with routing keys and properties. */
  readonly published: {
    readonly key: string;
    readonly properties: Readonly<Record<string, unknown>>;
    readonly line: LogLine;
  }[];
  /** Records on stderr so far. */
  readonly stderr: readonly LogLine[];
  /** Requests an unknown user, and throws unless the reply is 404. */
  ask(username: string): Promise<void>;
  /** Stops the worker, then its log. */
  stop(): Promise<void>;
}

/** Starts such a worker with these `handler_settings`; declares its exchange unless the test needs it missing. */
export async function startLoggingWorker(
  handler_settings: { exchange?: string; logger?: string } = {},
  { isMissing = false } = {},
): Promise<LoggingWorker> {
  const { exchange = "amq.topic" } = handler_settings;
  const log_settings = { level: "info", handler: "amqp", handler_settings };
  const { raw, vhost, cleanUp } = await provision({ config: { log_settings } });
  const config: Config = parseConfig(raw, { keys: true, env: {}, folder: scratchFolder });
  await migrate(config.db);
  const caller = await connectRaw(vhost.url);
  const published: LoggingWorker["published"][number][] = [];
  if (!isMissing) await listen(caller, exchange, published);
  const [node] = config.amqp.nodes;
  const proxy = await startProxy(node.port);
  const stderr: LogLine[] = [];
  const lines = {
    write: (line: string) => void stderr.push(JSON.parse(line) as LogLine),
    flushSync: () => undefined,
  };
  const metrics = createMetrics();
  const amqp = { ...config.amqp, nodes: [{ ...node, host: "127.0.0.1", port: proxy.port }] as const };
  const logSetup = setUpLog({ ...config, amqp }, lines, metrics);
  const worker = await createWorker(config, logSetup.log, metrics);
  await worker.start();
  const client = await connectRpc(config.amqp);
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopped ??= worker.stop().then(() => logSetup.close()));
  return {
    ...{ config, proxy, caller, client, metrics, log: logSetup.log, published, stderr, stop },
    async ask(username) {
      const { resp_code } = await client.call("user_get", JSON.stringify({ username }), 5000);
      if (resp_code !== 404) throw new Error(`${username}: ${resp_code}`);
    },
    async [Symbol.asyncDispose]() {
      await client.close();
      await stop();
      await caller[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
      await cleanUp();
    },
  };
}

/** Consumes from a topic exchange, and declares it unless it exists. */
export async function listen(
  { channel }: RawCaller,
  exchange: string,
  published: LoggingWorker["published"][number][],
): Promise<void> {
  if (!exchange.startsWith("amq.")) await channel.assertExchange(exchange, "topic", { durable: false });
  const { queue } = await channel.assertQueue("", { exclusive: true });
  await channel.bindQueue(queue, exchange, "#");
  await channel.consume(
    queue,
    (message) => {
      if (message === null) return;
      const line = JSON.parse(message.content.toString()) as LogLine;
      const properties = { ...message.properties } as Record<string, unknown>;
      published.push({ key: message.fields.routingKey, properties, line });
    },
    { noAck: true },
  );
}
