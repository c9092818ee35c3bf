import {
  a,
  check,
  checked,
  func,
  type Kind,
  listOf,
  number,
  oneOf,
  optionsOf,
  text,
  textOrFunc,
} from "./check.ts";
import { ErrorCache } from "./error-cache.ts";
import { endsSoon, type HeldToken, now, secondsLeft } from "./held-token.ts";
import { type Exchanged, Login } from "./login.ts";
import type { RequestTo } from "./queues.ts";
import type { SessionOptions, SessionWorkflows } from "./session-options.ts";
import { textFrom, type TextSource } from "./text-source.ts";

/**
 * A session that renews its access tokens and, where the installation allows it, its ID token; otherwise it logs in
 * again when needed.
 */
export interface Session extends AsyncDisposable {
  /**
   * An access token that is valid for at least `minimumValidity` more seconds (default 10, capped at 90 % of its
   * lifetime). Rejects with the error of a failed login or renewal, and with a SessionLimitError when other logins of
   * the user keep ending the session.
   */
  accessToken(options?: { readonly minimumValidity?: number | undefined }): Promise<string>;
  /** Drops an access token that was rejected before it expired, so that the next call requests another one. */
  invalidate(accessToken: string): void;
  /** A newly issued broker token, to use as password for RabbitMQ. Rejects with the error of a failed request. */
  brokerToken(): Promise<string>;
  /** Logs out if it has logged in; may be called twice. */
  close(): Promise<void>;
}

const DEFAULT_VALIDITY = 10;

const common = { vhost: text, ip: text, client: text, groups: listOf(text) };
const credentials = { username: text, secondFactor: func, ...common };

const kinds = oneOf({
  apiKey: optionsOf({ apiKey: textOrFunc, groups: listOf(text) }),
  password: optionsOf({ password: textOrFunc, ...credentials }, ["username"]),
  kerberosTicket: optionsOf({ kerberosTicket: func, ...credentials }),
  idToken: optionsOf({ idToken: text, ...common }),
});

const workflows = hasMethods("login", "getAccessToken", "logout");
const workflowsWithFactor = hasMethods("login", "loginContinue", "getAccessToken", "logout");

function hasMethods(...names: readonly string[]): Kind {
  return a("a client of connect or createAuth", (value) => {
    // Object() accepts any value, so that its members can be checked.
    const { session } = Object(value) as { session?: unknown };
    const methods = Object(session) as Record<string, unknown>; // any object has string keys
    return names.every((name) => typeof methods[name] === "function");
  });
}

const tokenKinds = optionsOf({ minimumValidity: number });

/**
 * A session that logs in when an access token is first needed, and again when the session has ended, if it has
 * credentials; an API key needs no login. Throws a TypeError for an invalid option.
 */
export function createSession(client: SessionWorkflows, options: SessionOptions): Session {
  check("createSession", client, workflows, "client");
  const known = checked("createSession", options, kinds);
  if ("secondFactor" in known) check("createSession", client, workflowsWithFactor, "client");
  return new KeptSession(client, known);
}

type TokenRequest = Omit<RequestTo<"token">, "id_token" | "api_key">;

/** The source of access tokens: an API key, or a login. */
interface Source {
  exchange(more: TokenRequest): Promise<Exchanged>;
  close(): Promise<void>;
}

class KeptSession implements Session {
  readonly #source: Source;
  readonly #groups: { readonly groups?: string[] };
  #access: HeldToken | undefined;
  #renewal: Promise<HeldToken> | undefined;
  #brokerTokens = new Set<Promise<string>>();
  readonly #accessErrors = new ErrorCache();
  readonly #brokerErrors = new ErrorCache();
  #closing: Promise<void> | undefined;
  /** Aborted by `close`. */
  readonly #lifetime = new AbortController();

  constructor({ session }: SessionWorkflows, options: SessionOptions) {
    this.#groups = options.groups === undefined ? {} : { groups: [...options.groups] };
    const renew = (): void => {
      // A later call reports the error.
      if (this.#closing === undefined) this.#renew().catch(() => undefined);
    };
    const { signal } = this.#lifetime;
    this.#source =
      "apiKey" in options
        ? fromApiKey(session, options.apiKey)
        : new Login(session, options, { renew, signal });
  }

  async accessToken(options: { readonly minimumValidity?: number | undefined } = {}): Promise<string> {
    check("accessToken", options, tokenKinds);
    const { minimumValidity = DEFAULT_VALIDITY } = options;
    if (this.#closing !== undefined) throw closedError();
    const known = this.#access;
    const isGood =
      known !== undefined && secondsLeft(known) >= Math.min(minimumValidity, known.lifetime * 0.9);
    if (!isGood) return (await this.#renew()).text;
    // Ignore an error: the current token is still valid, and a later call reports it.
    if (endsSoon(known)) this.#renew().catch(() => undefined);
    return known.text;
  }

  invalidate(accessToken: string): void {
    if (this.#access?.text === accessToken) this.#access = undefined;
  }

  async brokerToken(): Promise<string> {
    if (this.#closing !== undefined) throw closedError();
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

  #exchange(more: TokenRequest): Promise<Exchanged> {
    return this.#source.exchange({ ...this.#groups, ...more });
  }

  async #end(): Promise<void> {
    this.#lifetime.abort(closedError());
    await Promise.allSettled([this.#renewal, ...this.#brokerTokens]);
    await this.#source.close();
  }
}

function closedError(): Error {
  return new Error("the session is closed");
}

/** Exchanges an API key for access tokens: there is no session to start, to renew or to end. */
function fromApiKey(session: SessionWorkflows["session"], apiKey: string | TextSource): Source {
  return {
    async exchange(more) {
      const api_key = await textFrom("createSession", "apiKey", apiKey);
      const requestedAt = now();
      return { reply: await session.getAccessToken({ api_key, ...more }), requestedAt };
    },
    close: async () => undefined,
  };
}
