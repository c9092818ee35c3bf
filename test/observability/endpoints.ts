import { request } from "node:http";
import { text } from "node:stream/consumers";
import { noteWritten } from "../secrets/notes.ts";
import type { Readiness } from "../../src/observability/health.ts";

/** An answer of a worker's HTTP endpoints. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** Asks an endpoint of this host; not by `fetch`, which changes paths and keeps connections. */
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

/** What /readyz says, with its status code. */
export async function readiness(port: number): Promise<Readiness & { readonly code: number }> {
  const { status, body } = await ask(port, "/readyz");
  return { code: status, ...(JSON.parse(body) as Readiness) };
}

/** What /metrics shows. */
export interface Scrape {
  readonly text: string;
  /** The names that have a help text. */
  readonly names: readonly string[];
  /** Every series as it is written, `name{label="value"}`, with its value. */
  readonly series: ReadonlyMap<string, number>;
  /** The value of a series; 0 where there is none. */
  readonly value: (series: string) => number;
}

/** What /metrics shows now. */
export async function scrape(port: number): Promise<Scrape> {
  const { body } = await ask(port, "/metrics");
  const names = Array.from(body.matchAll(/^# HELP (\S+) \S/gm), ([, name = ""]) => name);
  const series = new Map(
    Array.from(body.matchAll(/^([^#\s][^\n]*) (\S+)$/gm), ([, key = "", value]) => [key, Number(value)]),
  );
  return { text: body, names, series, value: (key) => series.get(key) ?? 0 };
}
