import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { HealthConfig } from "../config/load.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";

/** Something that a worker needs, or that some of its requests need. */
export interface Dependency {
  readonly state: "ok" | "away" | "expiring";
  /** What is wrong, where something is. */
  readonly detail?: string;
  /** False where the worker serves without it. */
  readonly required: boolean;
}

/** Whether a worker takes requests, and what it depends on. */
export interface Readiness {
  readonly status: "ready" | "not ready" | "starting" | "stopping";
  /** Why it is not ready, where it is not. */
  readonly reason?: string;
  readonly dependencies: Readonly<Record<string, Dependency>>;
}

interface HealthParts {
  readonly readiness: () => Promise<Readiness>;
  /** A JWK Set (RFC 7517) of public keys. */
  readonly jwks: () => object;
  readonly metrics: Pick<Metrics, "render" | "contentType">;
  readonly log: Log;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  /** Whether it may be kept: it may not, unless given. */
  readonly cache?: string;
  readonly body: string;
}

/** Whoever asks has sent the question within so many milliseconds, or is dropped. */
const REQUEST_TIMEOUT = 5000;

/** Probes and scrapers are few; more connections than this are somebody's mistake. */
const MAX_CONNECTIONS = 64;

const FAULT = "health endpoint failed";

/** RFC 7517 section 8.5.2. */
const JWKS_TYPE = "application/jwk-set+json";

/** A key is published long before it signs: whoever has an older set for five minutes misses none. */
const JWKS_CACHE = "public, max-age=300";

const JSON_TYPE = "application/json; charset=utf-8";

/** The HTTP endpoints for health, metrics and public keys, which tell whoever reaches the port: no secrets. */
export class HealthServer {
  readonly #config: HealthConfig;
  readonly #parts: HealthParts;
  readonly #server: Server;
  readonly #answers: ReadonlyMap<string, () => Promise<Answer>>;
  #started: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;

  constructor(config: HealthConfig, parts: HealthParts) {
    this.#config = config;
    this.#parts = parts;
    this.#server = createServer(
      { headersTimeout: REQUEST_TIMEOUT, requestTimeout: REQUEST_TIMEOUT, connectionsCheckingInterval: 1000 },
      (request, response) => void this.#handle(request, response),
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#answers = answersOf(parts);
  }

  /** Resolves when the port is open; rejects with what to do where it cannot be opened. */
  start(): Promise<void> {
    return (this.#started ??= this.#listen());
  }

  /** Closes the port and every connection; complete on return, and may be called twice and before the start. */
  stop(): Promise<void> {
    return (this.#stopped ??= this.#close());
  }

  async #close(): Promise<void> {
    await this.#started?.catch(() => undefined);
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #listen(): Promise<void> {
    const { host, port } = this.#config;
    try {
      this.#server.listen(port, host);
      await once(this.#server, "listening");
    } catch (error) {
      throw new Error(adviceOn(this.#config, error), { cause: error });
    }
    // A connection that could not be accepted, for want of file descriptors say, must not end the process.
    this.#server.on("error", (error) => this.#parts.log.error({ err: error }, FAULT));
    this.#parts.log.info({ host, port }, "serving health and metrics");
  }

  async #handle({ method, url = "" }: IncomingMessage, response: ServerResponse): Promise<void> {
    // Nobody asks often enough to gain by a kept connection, and an idle one can be closed under a question.
    response.setHeader("connection", "close");
    try {
      const answer = this.#answers.get(url.split("?", 1)[0] ?? "");
      if (answer === undefined) return send(response, json(404, { status: "not found" }));
      if (method !== "GET" && method !== "HEAD") {
        response.setHeader("allow", "GET, HEAD");
        return send(response, json(405, { status: "method not allowed" }));
      }
      return send(response, await answer());
    } catch (error) {
      this.#parts.log.error({ err: error }, FAULT);
      return send(response, json(500, { status: "fault", reason: "it stands in the log" }));
    }
  }
}

function answersOf({ readiness, jwks, metrics }: HealthParts): ReadonlyMap<string, () => Promise<Answer>> {
  return new Map([
    ["/livez", async () => json(200, { status: "ok" })],
    [
      "/readyz",
      async () => {
        const state = await readiness();
        return json(state.status === "ready" ? 200 : 503, state);
      },
    ],
    [
      "/.well-known/jwks.json",
      async () => ({ status: 200, type: JWKS_TYPE, cache: JWKS_CACHE, body: JSON.stringify(jwks()) }),
    ],
    ["/metrics", async () => ({ status: 200, type: metrics.contentType, body: await metrics.render() })],
  ]);
}

function json(status: number, value: object): Answer {
  return { status, type: JSON_TYPE, body: `${JSON.stringify(value)}\n` };
}

function send(response: ServerResponse, { status, type, cache = "no-store", body }: Answer): void {
  const headers = {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": cache,
  };
  response.writeHead(status, headers).end(body);
}

function adviceOn({ host, port }: HealthConfig, error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EADDRINUSE")
    return `port ${port} on ${host} is taken by another process: give health_settings.port a free one`;
  if (code === "EACCES")
    return `port ${port} may not be opened by this user: give health_settings.port one from 1024`;
  return `cannot listen on ${host} (${messageOf(error)}): give health_settings.host an address of this host`;
}
