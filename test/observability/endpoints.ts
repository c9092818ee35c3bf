import { request } from "node:http";
import { text } from "node:stream/consumers";
import { noteWritten } from "../secrets/notes.ts";
import type { Readiness } from "../../src/observability/health.ts";

/** A response of a worker's HTTP endpoints. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** Sends a request to this host. Does not use `fetch`, which normalizes paths and keeps connections alive. */
export function ask(port: number, path: string, method = "GET"): Promise<HttpAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
  request({ host: "127.0.0.1", port, path, method, agent: false }, (response) => {
    const { statusCode: status = 0, headers } = response;
    text(response).then((body) => {
      noteWritten("answers over HTTP", `${body}\n`);
      resolve({ status, headers, body });
    }, reject);
  })
    .on("error", reject)
    .end();
  return promise;
}

/** The body of /readyz with its status code. */
export async function readiness(port: number): Promise<Readiness & { readonly code: number }> {
  const { status, body } = await ask(port, "/readyz");
  return { code: status, ...(JSON.parse(body) as Readiness) };
}

/** The parsed text of /metrics. */
export interface Scrape {
  readonly text: string;
  /** The names of metrics with a help text. */
  readonly names: readonly string[];
  /** The values by series, written as `name{label="value"}`. */
  readonly series: ReadonlyMap<string, number>;
  /** The value of a series; 0 if it does not exist. */
  readonly value: (series: string) => number;
}

/** Fetches and parses /metrics. */
export async function scrape(port: number): Promise<Scrape> {
  const { body } = await ask(port, "/metrics");
  const names = Array.from(body.matchAll(/^# HELP (\S+) \S/gm), ([, name = ""]) => name);
  const series = new Map(
    Array.from(body.matchAll(/^([^#\s][^\n]*) (\S+)$/gm), ([, key = "", value]) => [key, Number(value)]),
  );
  return { text: body, names, series, value: (key) => series.get(key) ?? 0 };
}
