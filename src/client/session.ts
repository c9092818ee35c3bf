import { a, check, checked, func, listOf, number, oneOf, optionsOf, text, textOrFunc } from "./check.ts";
import type { ReplyFrom, RequestTo } from "./queues.ts";
import { textFrom, type TextSource } from "./text-source.ts";

/** The workflows that a session calls, of a client from `connect` or of `createAuth`. */
export interface SessionWorkflows {
  readonly session: {
    readonly login: (request: RequestTo<"login">) => Promise<ReplyFrom<"login">>;
    readonly getAccessToken: (request: RequestTo<"token">) => Promise<ReplyFrom<"token">>;
    readonly logout: (request: RequestTo<"logout">) => Promise<ReplyFrom<"logout">>;
  };
}

/** How to log in: with a password, a new Kerberos ticket for each login, or the ID token of an earlier login. */
export type Credentials =
  | { readonly username: string; readonly password: string | TextSource }
  | { readonly kerberosTicket: TextSource; readonly username?: string | undefined }
  | { readonly idToken: string };

/** Options of `createSession`. */
export type SessionOptions = Credentials & {
  /** The broker vhost that access tokens are valid for. Default: set by the installation. */
  readonly vhost?: string | undefined;
  /** The client address that the session is bound to. Default: any. */
  readonly ip?: string | undefined;
  /** The user's groups to list in access tokens; fewer groups make shorter tokens. Default: all. */
  readonly groups?: readonly string[] | undefined;
};

/** A session that renews its access tokens and logs in again when needed. */
export interface Session extends AsyncDisposable {
  /**
   * An access token that is valid for at least `minimumValidity` more seconds (default 10, capped at 90 % of its
   * lifetime). Rejects with the error of a failed login or renewal.
   */
  accessToken(options?: { readonly minimumValidity?: number | undefined }): Promise<string>;
  /** A newly issued broker token, to use as password for RabbitMQ. Rejects with the error of a failed request. */
  brokerToken(): Promise<string>;
  /** Logs out if it has logged in; may be called twice. */
  close(): Promise<void>;
}

const DEFAULT_VALIDITY = 10;

/** A token that expires within this many seconds is renewed in the background while it is still used. */
const RENEW_BEFORE = 60;

/** How long a client error (4xx) is returned without a new request, in milliseconds, unless it has `retryAfter`. */
const ERROR_CACHE = 1000;

/** How often to log in again when another login of the same user revokes the session before its token is fetched. */
const MAX_RETRIES = 2;

interface HeldToken {
  readonly text: string;
  /** Seconds; used instead of the expiration time, because the clocks of this host and the worker may differ. */
  readonly lifetime: number;
  /** In milliseconds, by two clocks: a wall clock may be set back, and the steady clock stops while the host sleeps. */
  readonly requestedAt: { readonly clock: number; readonly steady: number };
}

const common = { vhost: text, ip: text, groups: listOf(text) };

const kinds = oneOf({
  password: optionsOf({ username: text, password: textOrFunc, ...common }, ["username"]),
  kerberosTicket: optionsOf({ kerberosTicket: func, username: text, ...common }),
  idToken: optionsOf({ idToken: text, ...common }),
});

const workflows = a("a client of connect or createAuth", (value) => {
  // Object() accepts any value, so that its members can be checked.
  const { session } = Object(value) as { session?: unknown };
  const methods = Object(session) as Record<string, unknown>; // any object has string keys
  return ["login", "getAccessToken", "logout"].every((name) => typeof methods[name] === "function");
});

const tokenKinds = optionsOf({ minimumValidity: number });

/**
 * A session that logs in when an access token is first needed, and again when the session has ended, if it has
 * credentials. Throws a TypeError for an invalid option.
 */
export function createSession(client: SessionWorkflows, options: SessionOptions): Session {
  check("createSession", client, workflows, "client");
  return new KeptSession(client, checked("createSession", options, kinds));
}

class KeptSession implements Session {
  readonly #workflows: SessionWorkflows["session"];
  readonly #options: SessionOptions;
  readonly #address: { readonly ip?: string };
  readonly #groups: { readonly groups?: string[] };
  #idToken: HeldToken | undefined;
  #access: HeldToken | undefined;
  #renewal: Promise<HeldToken> | undefined;
  #login: Promise<HeldToken> | undefined;
  #brokerTokens = new Set<Promise<string>>();
  readonly #accessErrors = new ErrorCache();
  readonly #brokerErrors = new ErrorCache();
  #closing: Promise<void> | undefined;

  constructor({ session }: SessionWorkflows, options: SessionOptions) {
    this.#workflows = session;
    this.#options = options;
    this.#address = options.ip === undefined ? {} : { ip: options.ip };
    this.#groups = options.groups === undefined ? {} : { groups: [...options.groups] };
    if ("idToken" in options)
      this.#idToken = { text: options.idToken, lifetime: Number.POSITIVE_INFINITY, requestedAt: now() };
  }

  async accessToken(options: { readonly minimumValidity?: number | undefined } = {}): Promise<string> {
    check("accessToken", options, tokenKinds);
    const { minimumValidity = DEFAULT_VALIDITY } = options;
    if (this.#closing !== undefined) throw new Error("the session is closed");
    const known = this.#access;
    const isGood =
      known !== undefined && secondsLeft(known) >= Math.min(minimumValidity, known.lifetime * 0.9);
    if (!isGood) return (await this.#renew()).text;
    // Ignore an error: the current token is still valid, and a later call reports it.
    if (endsSoon(known)) this.#renew().catch(() => undefined);
    return known.text;
  }

  async brokerToken(): Promise<string> {
    if (this.#closing !== undefined) throw new Error("the session is closed");
    const request = this.#brokerErrors.run(async () => {
      const { broker_token } = (await this.#exchange({ broker: true })).reply;
      if (broker_token === undefined) throw new Error("the worker issued no broker token");
      return broker_token;
    });
    this.#brokerTokens.add(request);
    return request.finally(() => this.#brokerTokens.delete(request));
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#end());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Runs one renewal for all concurrent callers. */
  #renew(): Promise<HeldToken> {
    return (this.#renewal ??= this.#fetch().finally(() => (this.#renewal = undefined)));
  }

  async #fetch(): Promise<HeldToken> {
    const { reply, requestedAt } = await this.#accessErrors.run(() => this.#exchange({}));
    return (this.#access = { text: reply.access_token, lifetime: reply.expires_in, requestedAt });
  }

  async #exchange(
    more: Pick<RequestTo<"token">, "broker">,
  ): Promise<{ reply: ReplyFrom<"token">; requestedAt: HeldToken["requestedAt"] }> {
    for (let ended = 0; ; ended++) {
      const idToken = await this.#session();
      const requestedAt = now();
      try {
        const request = { id_token: idToken.text, ...this.#address, ...this.#groups, ...more };
        return { reply: await this.#workflows.getAccessToken(request), requestedAt };
      } catch (error) {
        if (errorReplyIn(error).respCode !== 401 || "idToken" in this.#options || ended === MAX_RETRIES)
          throw error;
        // A concurrent request may have logged in again.
        if (this.#idToken === idToken) this.#idToken = undefined;
      }
    }
  }

  /** The ID token, after a login if needed: access tokens do not outlive their session, so also before it ends. */
  async #session(): Promise<HeldToken> {
    if (this.#idToken !== undefined && !endsSoon(this.#idToken)) return this.#idToken;
    // One login for all: a second one would revoke the first one's session.
    const login = (this.#login ??= this.#logIn().finally(() => (this.#login = undefined)));
    return (this.#idToken = await login);
  }

  async #logIn(): Promise<HeldToken> {
    const { vhost } = this.#options;
    const more = { ...this.#address, ...(vhost === undefined ? {} : { vhost }) };
    const credentials = await credentialsIn(this.#options);
    const requestedAt = now();
    const { id_token: text, expires_in: lifetime } = await this.#workflows.login({ ...credentials, ...more });
    return { text, lifetime, requestedAt };
  }

  async #end(): Promise<void> {
    await Promise.allSettled([this.#renewal, ...this.#brokerTokens]);
    if (this.#idToken === undefined) return;
    try {
      await this.#workflows.logout({ id_token: this.#idToken.text, ...this.#address });
    } catch (error) {
      // 401: the session has expired already.
      if (errorReplyIn(error).respCode !== 401) throw error;
    }
  }
}

/** Repeats a client error (4xx) for a while without a new request. */
class ErrorCache {
  #last: { readonly error: unknown; readonly until: number } | undefined;

  async run<T>(request: () => Promise<T>): Promise<T> {
    if (this.#last !== undefined && performance.now() < this.#last.until) throw this.#last.error;
    try {
      return await request();
    } catch (error) {
      const { respCode = 0, retryAfter = ERROR_CACHE / 1000 } = errorReplyIn(error);
      if (respCode >= 400 && respCode < 500)
        this.#last = { error, until: performance.now() + retryAfter * 1000 };
      throw error;
    }
  }
}

async function credentialsIn(options: Credentials): Promise<RequestTo<"login">> {
  if ("password" in options) {
    const { username, password } = options;
    return { username, password: await textFrom("createSession", "password", password) };
  }
  if ("idToken" in options)
    throw new Error("a session from an ID token cannot log in again: it has no credentials");
  const { username, kerberosTicket } = options;
  return {
    kerberos_ticket: await textFrom("createSession", "kerberosTicket", kerberosTicket),
    ...(username === undefined ? {} : { username }),
  };
}

function now(): HeldToken["requestedAt"] {
  return { clock: Date.now(), steady: performance.now() };
}

function secondsLeft({ lifetime, requestedAt: { clock, steady } }: HeldToken): number {
  return lifetime - Math.max(Date.now() - clock, performance.now() - steady) / 1000;
}

function endsSoon(token: HeldToken): boolean {
  return secondsLeft(token) < Math.min(RENEW_BEFORE, token.lifetime / 2);
}

/** The codes in an AuthError, or in an AppError of `createAuth`. */
function errorReplyIn(error: unknown): { readonly respCode?: number; readonly retryAfter?: number } {
  if (!(error instanceof Error)) return {};
  return {
    ...("respCode" in error && typeof error.respCode === "number" ? { respCode: error.respCode } : {}),
    ...("retryAfter" in error && typeof error.retryAfter === "number"
      ? { retryAfter: error.retryAfter }
      : {}),
  };
}
