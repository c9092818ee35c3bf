import {
  a,
  check,
  checked,
  func,
  listOf,
  number,
  oneOf,
  optionsOf,
  string,
  text,
  textOrFunc,
} from "./check.ts";
import type { ReplyFrom, RequestTo } from "./queues.ts";

/** What a session needs of a client: one that `connect` gives, or of `createAuth`. */
export interface SessionWorkflows {
  readonly session: {
    readonly login: (request: RequestTo<"login">) => Promise<ReplyFrom<"login">>;
    readonly getAccessToken: (request: RequestTo<"token">) => Promise<ReplyFrom<"token">>;
    readonly logout: (request: RequestTo<"logout">) => Promise<ReplyFrom<"logout">>;
  };
}

type Giver = () => string | Promise<string>;

/** Who logs in: with a password; with a Kerberos ticket, each of which is good once; or who has logged in elsewhere. */
export type Credentials =
  | { readonly username: string; readonly password: string | Giver }
  | { readonly kerberosTicket: Giver; readonly username?: string | undefined }
  | { readonly idToken: string };

/** How a session is set up. */
export type SessionOptions = Credentials & {
  /** The broker's vhost that access tokens are for: the installation's choice unless given. */
  readonly vhost?: string | undefined;
  /** The address that the session is bound to: none unless given. */
  readonly ip?: string | undefined;
  /** The user's groups that access tokens list, the fewer the shorter: all unless given. */
  readonly groups?: readonly string[] | undefined;
};

/** A login that is kept alive, and its access tokens. */
export interface Session extends AsyncDisposable {
  /**
   * An access token that is good for so many seconds more: 10 unless given, nine tenths of its lifetime at most. Rejects with
   * the reason of a login or renewal that failed.
   */
  accessToken(options?: { readonly minimumValidity?: number | undefined }): Promise<string>;
  /** Logs out, where there is a login; may be called twice. */
  close(): Promise<void>;
}

const MINIMUM_VALIDITY = 10;

/** A token that is good for fewer seconds is renewed while it is still handed out. */
const RENEW_BEFORE = 60;

/** What was refused is not asked again for so long, in milliseconds, unless the worker says how long. */
const PAUSE = 1000;

/** How often another login of the same user may end the session just when its token was to be fetched. */
const MAX_ENDED = 2;

interface HeldToken {
  readonly text: string;
  /** Seconds; by this, and not by its end, because this host's clock may be another one than the worker's. */
  readonly lifetime: number;
  /** When it was asked for, in milliseconds: a clock can be set back, and the steady one stands still in a suspended host. */
  readonly asked: { readonly clock: number; readonly steady: number };
}

const common = { vhost: text, ip: text, groups: listOf(text) };

const kinds = oneOf({
  password: optionsOf({ username: text, password: textOrFunc, ...common }, ["username"]),
  kerberosTicket: optionsOf({ kerberosTicket: func, username: text, ...common }),
  idToken: optionsOf({ idToken: text, ...common }),
});

const workflows = a("a client of connect or createAuth", (value) => {
  // Object() makes an object of whatever it is given, so that members can be looked for.
  const { session } = Object(value) as { session?: unknown };
  const methods = Object(session) as Record<string, unknown>; // any object can be read so
  return ["login", "getAccessToken", "logout"].every((name) => typeof methods[name] === "function");
});

const tokenKinds = optionsOf({ minimumValidity: number });

/**
 * A session that logs in when an access token is first asked for, and again when it has ended and there is a way to; throws
 * a TypeError when an option is not what it must be.
 */
export function createSession(client: SessionWorkflows, options: SessionOptions): Session {
  check("createSession", client, workflows, "client");
  return new KeptSession(client, checked("createSession", options, kinds));
}

class KeptSession implements Session {
  readonly #workflows: SessionWorkflows["session"];
  readonly #options: SessionOptions;
  readonly #place: { readonly ip?: string };
  readonly #groups: { readonly groups?: string[] };
  #idToken: HeldToken | undefined;
  #access: HeldToken | undefined;
  #renewal: Promise<HeldToken> | undefined;
  #refusal: { readonly error: unknown; readonly until: number } | undefined;
  #closing: Promise<void> | undefined;

  constructor({ session }: SessionWorkflows, options: SessionOptions) {
    this.#workflows = session;
    this.#options = options;
    this.#place = options.ip === undefined ? {} : { ip: options.ip };
    this.#groups = options.groups === undefined ? {} : { groups: [...options.groups] };
    if ("idToken" in options)
      this.#idToken = { text: options.idToken, lifetime: Number.POSITIVE_INFINITY, asked: now() };
  }

  async accessToken(options: { readonly minimumValidity?: number | undefined } = {}): Promise<string> {
    check("accessToken", options, tokenKinds);
    const { minimumValidity = MINIMUM_VALIDITY } = options;
    if (this.#closing !== undefined) throw new Error("the session is closed");
    const known = this.#access;
    const isGood =
      known !== undefined && secondsLeft(known) >= Math.min(minimumValidity, known.lifetime * 0.9);
    if (!isGood) return (await this.#renew()).text;
    // Who finds out that it has failed is the one who can no longer use this one.
    if (endsSoon(known)) this.#renew().catch(() => undefined);
    return known.text;
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#end());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** One renewal for all who ask meanwhile. */
  #renew(): Promise<HeldToken> {
    return (this.#renewal ??= this.#fetch().finally(() => (this.#renewal = undefined)));
  }

  async #fetch(): Promise<HeldToken> {
    if (this.#refusal !== undefined && performance.now() < this.#refusal.until) throw this.#refusal.error;
    try {
      return (this.#access = await this.#exchange());
    } catch (error) {
      const { respCode = 0, retryAfter = PAUSE / 1000 } = refusalIn(error);
      if (respCode >= 400 && respCode < 500)
        this.#refusal = { error, until: performance.now() + retryAfter * 1000 };
      throw error;
    }
  }

  async #exchange(): Promise<HeldToken> {
    for (let ended = 0; ; ended++) {
      // An access token does not outlive its session, so the next session begins before the end of this one.
      if (this.#idToken === undefined || endsSoon(this.#idToken)) this.#idToken = await this.#logIn();
      const asked = now();
      try {
        const request = { id_token: this.#idToken.text, ...this.#place, ...this.#groups };
        const { access_token: text, expires_in: lifetime } = await this.#workflows.getAccessToken(request);
        return { text, lifetime, asked };
      } catch (error) {
        if (refusalIn(error).respCode !== 401 || "idToken" in this.#options || ended === MAX_ENDED)
          throw error;
        this.#idToken = undefined;
      }
    }
  }

  async #logIn(): Promise<HeldToken> {
    const { vhost } = this.#options;
    const more = { ...this.#place, ...(vhost === undefined ? {} : { vhost }) };
    const credentials = await credentialsIn(this.#options);
    const asked = now();
    const { id_token: text, expires_in: lifetime } = await this.#workflows.login({ ...credentials, ...more });
    return { text, lifetime, asked };
  }

  async #end(): Promise<void> {
    await this.#renewal?.catch(() => undefined);
    if (this.#idToken === undefined) return;
    try {
      await this.#workflows.logout({ id_token: this.#idToken.text, ...this.#place });
    } catch (error) {
      // It has expired.
      if (refusalIn(error).respCode !== 401) throw error;
    }
  }
}

async function credentialsIn(options: Credentials): Promise<RequestTo<"login">> {
  if ("password" in options) {
    const { username, password } = options;
    return { username, password: await giveText("password", password) };
  }
  if ("idToken" in options) throw new Error("a session of an ID token has no credentials to log in with");
  const { username, kerberosTicket } = options;
  return {
    kerberos_ticket: await giveText("kerberosTicket", kerberosTicket),
    ...(username === undefined ? {} : { username }),
  };
}

async function giveText(name: string, given: string | Giver): Promise<string> {
  const value = typeof given === "string" ? given : await given();
  check("createSession", value, string, `what the function ${name} gives`);
  return value;
}

function now(): HeldToken["asked"] {
  return { clock: Date.now(), steady: performance.now() };
}

function secondsLeft({ lifetime, asked: { clock, steady } }: HeldToken): number {
  return lifetime - Math.max(Date.now() - clock, performance.now() - steady) / 1000;
}

function endsSoon(token: HeldToken): boolean {
  return secondsLeft(token) < Math.min(RENEW_BEFORE, token.lifetime / 2);
}

/** What an AuthError, or an AppError of `createAuth`, says. */
function refusalIn(error: unknown): { readonly respCode?: number; readonly retryAfter?: number } {
  if (!(error instanceof Error)) return {};
  return {
    ...("respCode" in error && typeof error.respCode === "number" ? { respCode: error.respCode } : {}),
    ...("retryAfter" in error && typeof error.retryAfter === "number"
      ? { retryAfter: error.retryAfter }
      : {}),
  };
}
