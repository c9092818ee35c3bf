import { deferred } from "../wire/deferred.ts";
import { a, check, func, optionsOf, text } from "./check.ts";
import { textFrom, type TextSource } from "./text-source.ts";

/** A connection of amqplib. */
export interface RenewableConnection {
  updateSecret(newSecret: Buffer, reason: string): Promise<unknown>;
  on(event: "close", listener: () => void): unknown;
}

/** Options of `renewBrokerToken`. */
export interface RenewalOptions {
  /** The token that the connection was opened with. */
  readonly token: string;
  /** Returns a newly issued token. */
  readonly newToken: TextSource;
  /** Called after each failed attempt. Default: a process warning. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** The renewal of the token of one connection; ends with the connection. */
export interface BrokerTokenRenewal extends Disposable {
  /** Stops the renewal; may be called twice. */
  stop(): void;
}

/** The part of its lifetime after which a token is replaced. */
const RENEW_AFTER = 0.7;

/** The part of the lifetime between two attempts, so that some six attempts fit before the token expires. */
const RETRY_AFTER = 0.05;

/** Between two attempts, in milliseconds: not busier when a token is very short, and still often when it is long. */
const SHORTEST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;

/** For a new token, and for the broker's answer, in milliseconds. */
const TIMEOUT = 30_000;

/** The longest timeout of a Node timer, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

const connectionKind = a("a connection of amqplib", (value) => {
  // Object() accepts any value, so that its members can be checked.
  const { updateSecret, on } = Object(value) as { readonly updateSecret?: unknown; readonly on?: unknown };
  return typeof updateSecret === "function" && typeof on === "function";
});

const optionKinds = optionsOf({ token: text, newToken: func, onError: func }, ["token", "newToken"]);

/**
 * Keeps a connection whose password is a token that expires: after 70 % of the lifetime it fetches a new token and
 * sends it with `connection.update-secret`. It retries until the connection closes, even after the token expired, and
 * does not keep the process alive. Throws a TypeError for an invalid argument.
 */
export function renewBrokerToken(
  connection: RenewableConnection,
  options: RenewalOptions,
): BrokerTokenRenewal {
  check("renewBrokerToken", connection, connectionKind, "connection");
  check("renewBrokerToken", options, optionKinds);
  return new Renewal(connection, options);
}

class Renewal implements BrokerTokenRenewal {
  readonly #connection: RenewableConnection;
  readonly #options: RenewalOptions;
  readonly #stopped = deferred<undefined>();
  #isStopped = false;
  #timer: NodeJS.Timeout | undefined;
  #retryAfter = SHORTEST_PAUSE;

  constructor(connection: RenewableConnection, options: RenewalOptions) {
    this.#connection = connection;
    this.#options = options;
    connection.on("close", () => this.stop());
    this.#plan(options.token);
  }

  stop(): void {
    this.#isStopped = true;
    this.#stopped.resolve(undefined);
    clearTimeout(this.#timer);
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  /** Plans the renewal of the current token. */
  #plan(token: string): void {
    const validity = validityOf(token);
    if (validity === undefined) return; // it never expires
    this.#retryAfter = Math.min(LONGEST_PAUSE, Math.max(SHORTEST_PAUSE, validity * RETRY_AFTER));
    this.#renewIn(Math.max(SHORTEST_PAUSE, validity * RENEW_AFTER));
  }

  #renewIn(ms: number): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => void this.#renew(), Math.min(ms, LONGEST_TIMER));
    this.#timer.unref();
  }

  async #renew(): Promise<void> {
    try {
      const fetching = textFrom("renewBrokerToken", "newToken", this.#options.newToken);
      const token = await this.#unlessStopped(fetching, "newToken() did not settle");
      if (token === undefined) return;
      const sending = this.#connection.updateSecret(Buffer.from(token), "renewed").then(() => true);
      // amqplib never settles it if the connection closes.
      if (await this.#unlessStopped(sending, "the broker did not answer")) this.#plan(token);
    } catch (error) {
      if (this.#isStopped) return;
      this.#renewIn(this.#retryAfter);
      (this.#options.onError ?? warn)(error);
    }
  }

  /** The result; undefined after the stop. Rejects after the timeout. */
  async #unlessStopped<T>(work: Promise<T>, what: string): Promise<T | undefined> {
    const late = deferred<never>();
    const timer = setTimeout(() => late.reject(new Error(`${what} within ${TIMEOUT} ms`)), TIMEOUT);
    timer.unref();
    try {
      return await Promise.race([work, late.promise, this.#stopped.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/**
 * Milliseconds for which a JWT is still valid; undefined if it does not expire or is no JWT. A clock cannot tell more
 * than the lifetime, and one that is past the end of a token that the broker accepted is wrong.
 */
function validityOf(token: string): number | undefined {
  const { exp, iat } = claimsOf(token);
  if (exp === undefined) return undefined;
  const left = exp * 1000 - Date.now();
  const lifetime = iat === undefined ? left : (exp - iat) * 1000;
  return left > 0 ? Math.min(left, lifetime) : lifetime;
}

/** Not verified: only the broker must trust the token. */
function claimsOf(token: string): { readonly exp?: number; readonly iat?: number } {
  const [, payload = ""] = token.split(".");
  try {
    // Object() accepts any value, so that its members can be checked.
    const { exp, iat } = Object(JSON.parse(Buffer.from(payload, "base64url").toString())) as {
      readonly exp?: unknown;
      readonly iat?: unknown;
    };
    return {
      ...(typeof exp === "number" ? { exp } : {}),
      ...(typeof iat === "number" ? { iat } : {}),
    };
  } catch {
    return {};
  }
}

function warn(error: unknown): void {
  const why = error instanceof Error ? error.message : String(error);
  process.emitWarning(`authmq: cannot renew the broker token, trying again: ${why}`);
}
