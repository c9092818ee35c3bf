import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import { SingleBar } from "cli-progress";
import { Command, Option } from "commander";
import { NoReplyError } from "../client/errors.ts";
import { connectRpc, type RpcClient } from "../client/rpc-client.ts";
import { loadConfig } from "../config/load.ts";
import { messageOf } from "../errors.ts";
import { queueOnBroker, readRequest } from "./call.ts";
import { ExitError } from "./exit.ts";
import { configOption, findConfig, positiveInteger, seconds } from "./options.ts";

interface BenchOptions {
  readonly config?: string;
  readonly requests: number;
  readonly concurrency: number;
  readonly timeout: number;
  readonly json?: true;
}

/** The result of a benchmark; latencies in milliseconds. */
interface Measurement {
  readonly queue: string;
  readonly requests: number;
  readonly concurrency: number;
  readonly seconds: number;
  readonly per_second: number;
  readonly latency_ms: {
    readonly p50: number;
    readonly p95: number;
    readonly p99: number;
    readonly max: number;
  };
  /** Number of replies for each resp_code; `none` counts requests without a reply. */
  readonly replies: Readonly<Record<string, number>>;
}

/** `authmq bench`. */
export function benchCommand(): Command {
  return new Command("bench")
    .description("send many requests to a queue, and measure throughput and latency")
    .argument("<queue>", "queue name, for example user_get")
    .argument("[json]", "request body, or - to read it from stdin", "{}")
    .addOption(configOption())
    .option("-n, --requests <number>", "total number of requests", positiveInteger, 1000)
    .option("-c, --concurrency <number>", "concurrent requests", positiveInteger, 16)
    .addOption(
      new Option("--timeout <seconds>", "timeout for each reply").argParser(seconds).default(30_000, "30"),
    )
    .option("--json", "print the result as JSON")
    .addHelpText(
      "after",
      `
Examples:
  $ authmq bench user_get '{"username":"alice"}' -n 5000 -c 64
  $ authmq bench login - --json < login.json`,
    )
    .action(async (name: string, json: string, options: BenchOptions) => {
      const config = loadConfig(findConfig(options.config), { keys: false });
      const body = readRequest(json);
      const result = await bench(config.amqp, queueOnBroker(config, name), body, options);
      process.stdout.write(options.json === true ? `${JSON.stringify(result)}\n` : describe(result));
      if (result.replies["none"] !== undefined) throw new ExitError(1, "some requests got no reply");
    });
}

async function bench(
  broker: Parameters<typeof connectRpc>[0],
  queue: string,
  body: string,
  { requests, concurrency, timeout }: BenchOptions,
): Promise<Measurement> {
  const histogram = createHistogram();
  const replies: Record<string, number> = {};
  const bar = progressBar(requests);
  const begin = performance.now();
  let sent = 0;
  try {
    await using client = await connectRpc(broker);
    const loop = async (): Promise<void> => {
      while (sent < requests) {
        sent++;
        const code = await measure(client, queue, body, timeout, histogram);
        replies[code] = (replies[code] ?? 0) + 1;
        bar?.increment();
      }
    };
    await Promise.all(Array.from({ length: Math.min(concurrency, requests) }, loop));
  } catch (error) {
    if (error instanceof NoReplyError) throw new ExitError(2, messageOf(error), { cause: error.cause });
    throw error;
  } finally {
    bar?.stop();
  }
  const elapsed = (performance.now() - begin) / 1000;
  const ms = (nanoseconds: number): number => Math.round(nanoseconds / 1e4) / 100;
  const percentile = (part: number): number => ms(histogram.percentile(part));
  return {
    queue,
    requests,
    concurrency,
    seconds: Math.round(elapsed * 1000) / 1000,
    per_second: Math.round(requests / elapsed),
    latency_ms: { p50: percentile(50), p95: percentile(95), p99: percentile(99), max: ms(histogram.max) },
    replies,
  };
}

async function measure(
  client: RpcClient,
  queue: string,
  body: string,
  timeout: number,
  histogram: RecordableHistogram,
): Promise<string> {
  const begin = process.hrtime.bigint();
  try {
    const { resp_code } = await client.call(queue, body, timeout);
    histogram.record(process.hrtime.bigint() - begin);
    return String(resp_code);
  } catch (error) {
    // A missing queue is a usage error, not a measurement.
    if (!(error instanceof NoReplyError) || error.message.startsWith("there is no queue")) throw error;
    return "none";
  }
}

function progressBar(total: number): SingleBar | undefined {
  if (!process.stderr.isTTY) return undefined;
  const bar = new SingleBar({
    format: "{bar} {percentage} % | {value}/{total} | {eta_formatted} left",
    barCompleteChar: "█",
    barIncompleteChar: "░",
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
  });
  bar.start(total, 0);
  return bar;
}

function describe({
  queue,
  requests,
  concurrency,
  seconds: took,
  per_second,
  latency_ms,
  replies,
}: Measurement): string {
  const codes = Object.entries(replies).map(([code, count]) => `${code} x ${count}`);
  return [
    `${queue}: ${requests} requests, ${concurrency} in flight, ${took} s`,
    `  ${per_second} req/s`,
    `  latency  p50 ${latency_ms.p50} ms   p95 ${latency_ms.p95} ms   p99 ${latency_ms.p99} ms   max ${latency_ms.max} ms`,
    `  replies  ${codes.join(", ")}`,
    "",
  ].join("\n");
}
