import { decodeJwt } from "jose";
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

interface AccessToken {
  readonly text: string;
  /** Seconds. */
  readonly lifetime: number;
  /** When it was asked for, in milliseconds: a clock can be set back, and the steady one stands still in a suspended host. */
  readonly asked: { readonly clock: number; readonly steady: number };
}

/** A session that logs in when an access token is first asked for, and again when it has ended and there is a way to. */
export function createSession(client: SessionWorkflows, options: SessionOptions): Session {
  return new KeptSession(client, options);
}

class KeptSession implements Session {
  readonly #workflows: SessionWorkflows["session"];
  readonly #options: SessionOptions;
  readonly #place: { readonly ip?: string };
  #idToken: string | undefined;
  #access: AccessToken | undefined;
  #renewal: Promise<AccessToken> | undefined;
  #refusal: { readonly error: unknown; readonly until: number } | undefined;
  #closing: Promise<void> | undefined;

  constructor({ session }: SessionWorkflows, options: SessionOptions) {
    this.#workflows = session;
    this.#options = options;
    this.#place = options.ip === undefined ? {} : { ip: options.ip };
    if ("idToken" in options) this.#idToken = options.idToken;
  }

  async accessToken({ minimumValidity = MINIMUM_VALIDITY }: { minimumValidity?: number | undefined } = {}) {
    if (this.#closing !== undefined) throw new Error("the session is closed");
    const known = this.#access;
    if (known === undefined || secondsLeft(known) < Math.min(minimumValidity, known.lifetime * 0.9))
      return (await this.#renew()).text;
    // Who finds out that it has failed is the one who can no longer use this one.
    if (secondsLeft(known) < Math.min(RENEW_BEFORE, known.lifetime / 2)) this.#renew().catch(() => undefined);
    return known.text;
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#end());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** One renewal for all who ask meanwhile. */
  #renew(): Promise<AccessToken> {
    return (this.#renewal ??= this.#fetch().finally(() => (this.#renewal = undefined)));
  }

  async #fetch(): Promise<AccessToken> {
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

  async #exchange(): Promise<AccessToken> {
    for (let ended = 0; ; ended++) {
      const id_token = (this.#idToken ??= await this.#logIn());
      const asked = { clock: Date.now(), steady: performance.now() };
      try {
        const { access_token: text } = await this.#workflows.getAccessToken({ id_token, ...this.#place });
        const { iat = 0, exp = 0 } = decodeJwt(text);
        // By the lifetime, and not by `exp`: this host's clock may be another one than the worker's.
        return { text, lifetime: exp - iat, asked };
      } catch (error) {
        if (refusalIn(error).respCode !== 401 || "idToken" in this.#options || ended === MAX_ENDED)
          throw error;
        this.#idToken = undefined;
      }
    }
  }

  async #logIn(): Promise<string> {
    const { vhost } = this.#options;
    const more = { ...this.#place, ...(vhost === undefined ? {} : { vhost }) };
    const { id_token } = await this.#workflows.login({ ...(await credentialsIn(this.#options)), ...more });
    return id_token;
  }

  async #end(): Promise<void> {
    await this.#renewal?.catch(() => undefined);
    if (this.#idToken === undefined) return;
    try {
      await this.#workflows.logout({ id_token: this.#idToken, ...this.#place });
    } catch (error) {
      // It had ended before.
      if (refusalIn(error).respCode !== 401) throw error;
    }
  }
}

async function credentialsIn(options: Credentials): Promise<RequestTo<"login">> {
  if ("password" in options) {
    const { username, password } = options;
    return { username, password: typeof password === "string" ? password : await password() };
  }
  if ("idToken" in options) throw new Error("a session of an ID token has no credentials to log in with");
  const { username, kerberosTicket } = options;
  return {
    kerberos_ticket: await kerberosTicket(),
    ...(username === undefined ? {} : { username }),
  };
}

function secondsLeft({ lifetime, asked: { clock, steady } }: AccessToken): number {
  return lifetime - Math.max(Date.now() - clock, performance.now() - steady) / 1000;
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
