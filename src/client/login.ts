import { readCompact } from "../wire/compact.ts";
import { errorReplyIn } from "./error-cache.ts";
import { SessionLimitError } from "./errors.ts";
import { endsSoon, type HeldToken, now, secondsLeft } from "./held-token.ts";
import type { ReplyFrom, RequestTo } from "./queues.ts";
import { answerTo } from "./second-factor.ts";
import type { LoginOptions, SessionWorkflows } from "./session-options.ts";
import { textFrom } from "./text-source.ts";

/** How often a session may be revoked before it expires, within this time in milliseconds. */
const MAX_REVOCATIONS = 2;
const WINDOW = 600_000;

/** The shortest and the longest timer, in milliseconds. */
const MIN_TIMER = 1000;
const MAX_TIMER = 2 ** 31 - 1;

/** A reply to `token`, and when it was requested. */
export interface Exchanged {
  readonly reply: ReplyFrom<"token">;
  readonly requestedAt: HeldToken["requestedAt"];
}

/** The session that a login is for. */
interface KeepingSession {
  /** Exchanges the ID token, because no call has done it in time. */
  readonly renew: () => void;
  /** Aborted when the session is closed. */
  readonly signal: AbortSignal;
}

/**
 * Keeps an ID token: logs in when it is first needed, renews it where the installation allows that, and otherwise logs
 * in again before it expires.
 */
export class Login {
  readonly #workflows: SessionWorkflows["session"];
  readonly #options: LoginOptions;
  readonly #address: { readonly ip?: string };
  #idToken: HeldToken | undefined;
  #login: Promise<HeldToken> | undefined;
  /** False once the installation has answered that it renews no sessions: later logins do not change that. */
  #hasRenewals = true;
  /** Whether the renewal time of the present session is over; a new session has its own. */
  #isTooOld = false;
  /** The ID token in the options. */
  readonly #given: HeldToken | undefined;
  /** When the session was revoked before it expired, by the steady clock. */
  #revocations: readonly number[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  readonly #session: KeepingSession;

  constructor(workflows: SessionWorkflows["session"], options: LoginOptions, session: KeepingSession) {
    this.#workflows = workflows;
    this.#options = options;
    this.#session = session;
    this.#address = options.ip === undefined ? {} : { ip: options.ip };
    if ("idToken" in options) this.#given = this.#keep(heldToken(options.idToken));
  }

  /** Exchanges the ID token for an access token, after a login if needed. */
  async exchange(more: Omit<RequestTo<"token">, "id_token" | "api_key">): Promise<Exchanged> {
    for (;;) {
      const idToken = this.#usableIdToken() ?? (await this.#logInOnce());
      // In its second half.
      const renew = this.#isRenewable && secondsLeft(idToken) < idToken.lifetime / 2;
      const requestedAt = now();
      try {
        const request = { id_token: idToken.text, ...this.#address, ...more };
        const reply = await this.#workflows.getAccessToken(renew ? { ...request, renew } : request);
        this.#keepRenewed(reply, idToken, requestedAt);
        return { reply, requestedAt };
      } catch (error) {
        if (renew && isAboutRenewal(error)) this.#hasRenewals = false;
        else this.#forget(idToken, error);
      }
    }
  }

  /** Logs out if it has logged in. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    if (this.#idToken === undefined) return;
    try {
      await this.#workflows.logout({ id_token: this.#idToken.text, ...this.#address });
    } catch (error) {
      // 401: the session has expired already.
      if (errorReplyIn(error).respCode !== 401) throw error;
    }
  }

  get #isRenewable(): boolean {
    return this.#hasRenewals && !this.#isTooOld;
  }

  /** The ID token; undefined if a login gives a better one: access tokens do not outlive their session. */
  #usableIdToken(): HeldToken | undefined {
    const idToken = this.#idToken;
    const isLast = this.#isRenewable || "idToken" in this.#options;
    return idToken !== undefined && (isLast || !endsSoon(idToken)) ? idToken : undefined;
  }

  /** One login for all concurrent requests. */
  #logInOnce(): Promise<HeldToken> {
    return (this.#login ??= this.#logIn().finally(() => (this.#login = undefined)));
  }

  async #logIn(): Promise<HeldToken> {
    const { vhost, client } = this.#options;
    const more = {
      ...this.#address,
      ...(vhost === undefined ? {} : { vhost }),
      ...(client === undefined ? {} : { client }),
    };
    const credentials = await credentialsIn(this.#options);
    const requestedAt = now();
    let login: HeldToken;
    try {
      login = heldFrom(await this.#workflows.login({ ...credentials, ...more }), requestedAt);
    } catch (error) {
      login = await this.#continue(error);
    }
    this.#isTooOld = false;
    return this.#keep(login);
  }

  /** Continues a login that failed with this error; throws the error if it asks for no second factor, or none is given. */
  async #continue(error: unknown): Promise<HeldToken> {
    const secondFactor = "secondFactor" in this.#options ? this.#options.secondFactor : undefined;
    if (secondFactor === undefined) throw error;
    const answer = await answerTo(error, secondFactor, this.#session.signal);
    const requestedAt = now();
    const reply = await this.#workflows.loginContinue?.({ ...answer, ...this.#address });
    // `createSession` has checked that the client has the method.
    if (reply === undefined) throw error;
    return heldFrom(reply, requestedAt);
  }

  /** Keeps an ID token, and renews it in the background if no call does it before three quarters of its lifetime. */
  #keep(idToken: HeldToken): HeldToken {
    this.#idToken = idToken;
    this.#renewLater(idToken, secondsLeft(idToken) * 750);
    return idToken;
  }

  #renewLater(idToken: HeldToken, delay: number): void {
    clearTimeout(this.#timer);
    if (this.#isClosed || !this.#isRenewable || !Number.isFinite(delay) || secondsLeft(idToken) <= 0) return;
    const renew = (): void => {
      // Its session was revoked: the next call logs in, and the background does not try a password again and again.
      if (this.#idToken !== idToken) return;
      this.#session.renew();
      // In case that fails, or it was too early: again after a tenth of the rest. A new ID token replaces the timer.
      this.#renewLater(idToken, secondsLeft(idToken) * 100);
    };
    this.#timer = setTimeout(renew, Math.min(MAX_TIMER, Math.max(MIN_TIMER, delay))).unref();
  }

  #keepRenewed(reply: ReplyFrom<"token">, before: HeldToken, requestedAt: HeldToken["requestedAt"]): void {
    const { id_token: text, id_token_expires_in: lifetime } = reply;
    if (text === undefined || lifetime === undefined) return;
    // The renewal time of the session is over: log in again before the session ends. A token from the options may be
    // new, and then its renewal also ends no later.
    if (before !== this.#given && lifetime <= Math.ceil(secondsLeft(before))) this.#isTooOld = true;
    this.#keep({ text, lifetime, requestedAt });
  }

  /** Forgets the ID token of a revoked or expired session; throws the error if a login cannot help. */
  #forget(idToken: HeldToken, error: unknown): void {
    if (errorReplyIn(error).respCode !== 401 || "idToken" in this.#options) throw error;
    // A concurrent request may have logged in again.
    if (this.#idToken !== idToken) return;
    this.#idToken = undefined;
    if (secondsLeft(idToken) <= 0) return;
    const at = performance.now();
    this.#revocations = [...this.#revocations.filter((one) => at - one < WINDOW), at];
    if (this.#revocations.length > MAX_REVOCATIONS) {
      this.#revocations = [];
      throw limitError(this.#options, error);
    }
  }
}

function heldFrom(
  { id_token: text, expires_in: lifetime }: ReplyFrom<"login_continue">,
  requestedAt: HeldToken["requestedAt"],
): HeldToken {
  return { text, lifetime, requestedAt };
}

function limitError(options: LoginOptions, cause: unknown): SessionLimitError {
  const name = "username" in options ? options.username : undefined;
  return new SessionLimitError(
    `another login of ${name === undefined ? "the user" : `"${name}"`} ended this session ` +
      `${MAX_REVOCATIONS + 1} times within ${WINDOW / 60_000} minutes: give the service an API key, ` +
      "or set app_config.sessions_per_user to the number of its replicas or more",
    { cause },
  );
}

/** An ID token of an earlier login, with the expiry time that it contains. */
function heldToken(text: string): HeldToken {
  const { exp } = readCompact(text)?.payload ?? {};
  if (typeof exp !== "number") return { text, lifetime: Infinity, requestedAt: now() };
  // As if half of its lifetime were over: its age is not known, so it is renewed at the first use.
  const left = exp - Date.now() / 1000;
  return { text, lifetime: left * 2, requestedAt: now(-left * 1000) };
}

async function credentialsIn(options: LoginOptions): Promise<RequestTo<"login">> {
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

/** Whether an error says that the installation renews no sessions. */
function isAboutRenewal(error: unknown): boolean {
  if (!(error instanceof Error) || !("fields" in error) || !Array.isArray(error.fields)) return false;
  // Object() accepts any value, so that its members can be checked.
  return error.fields.some((fault: unknown) => (Object(fault) as { path?: unknown }).path === "renew");
}
