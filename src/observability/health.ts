import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { HealthConfig } from "../config/load.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";

/** A service that a worker, or some of its requests, needs. */
export interface Dependency {
  readonly state: "ok" | "away" | "expiring";
  /** What is wrong, and what to do; missing when the state is ok. */
  readonly detail?: string;
  /** Whether the worker is not ready without it. */
  readonly required: boolean;
}

/** Whether a worker serves requests, with the state of its dependencies. */
export interface Readiness {
  readonly status: "ready" | "not ready" | "starting" | "stopping";
  /** Why the worker is not ready; missing when it is. */
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
  /** The Cache-Control header; default: no-store. */
  readonly cache?: string;
  readonly body: string;
}

/** A client that has not sent its request within this many milliseconds is disconnected. */
const REQUEST_TIMEOUT = 5000;

/** Enough for probes and scrapers; more connections are a mistake. */
const MAX_CONNECTIONS = 64;

const FAILED = "health endpoint failed";

/** RFC 7517 section 8.5.2. */
const JWKS_TYPE = "application/jwk-set+json";

/** A key is published long before it signs, so a set that is cached for five minutes misses no key in use. */
const JWKS_CACHE = "public, max-age=300";

const JSON_TYPE = "application/json; charset=utf-8";

/** The HTTP endpoints for health, metrics and public keys. They need no authentication and contain no secrets. */
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

  /** Resolves when the port is open; rejects with an error that says what to do. */
  start(): Promise<void> {
    return (this.#started ??= this.#listen());
  }

  /** Closes the port and all connections; complete on return. May be called twice, and before the start. */
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
      throw new Error(listenError(this.#config, error), { cause: error });
    }
    // A connection that cannot be accepted, for example without free file descriptors, must not end the process.
    this.#server.on("error", (error) => this.#parts.log.error({ err: error }, FAILED));
    this.#parts.log.info({ host, port }, "serving health and metrics");
  }

  async #handle({ method, url = "" }: IncomingMessage, response: ServerResponse): Promise<void> {
    // Requests are rare, so keep-alive saves nothing, and an idle connection may close just as a request is sent.
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
      this.#parts.log.error({ err: error }, FAILED);
      return send(response, json(500, { status: "fault", reason: "see the worker's log" }));
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

function listenError({ host, port }: HealthConfig, error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EADDRINUSE")
    return `port ${port} on ${host} is in use by another process: set health_settings.port to a free port`;
  if (code === "EACCES")
    return `this user may not open port ${port}: set health_settings.port to 1024 or higher`;
  return `cannot listen on ${host} (${messageOf(error)}): set health_settings.host to an address of this host`;
}
