import type { ReplyFrom, RequestTo } from "./queues.ts";
import type { ContinueLogin, SecondFactorSource } from "./second-factor.ts";
import type { TextSource } from "./text-source.ts";

/** The workflows that a session calls, of a client from `connect` or of `createAuth`. */
export interface SessionWorkflows {
  readonly session: {
    readonly login: (request: RequestTo<"login">) => Promise<ReplyFrom<"login">>;
    readonly getAccessToken: (request: RequestTo<"token">) => Promise<ReplyFrom<"token">>;
    /** Only for the option `secondFactor`. */
    readonly loginContinue?: ContinueLogin;
    readonly logout: (request: RequestTo<"logout">) => Promise<ReplyFrom<"logout">>;
  };
}

/** How to log in: with a password, a new Kerberos ticket for each login, or the ID token of an earlier login. */
export type Credentials =
  | ({ readonly username: string; readonly password: string | TextSource } & SecondFactorOption)
  | ({ readonly kerberosTicket: TextSource; readonly username?: string | undefined } & SecondFactorOption)
  | { readonly idToken: string };

interface SecondFactorOption {
  /** Called when a login needs a second factor. Without it, such a login fails with SECOND_FACTOR_REQUIRED. */
  readonly secondFactor?: SecondFactorSource | undefined;
}

/** Options of `createSession`: an API key, which needs no login, or the credentials of a login. */
export type SessionOptions = ApiKeyOptions | LoginOptions;

/** A service with an API key, which has its own vhost. */
export interface ApiKeyOptions extends GroupOptions {
  readonly apiKey: string | TextSource;
}

interface GroupOptions {
  /** The account's groups to list in access tokens; fewer groups make shorter tokens. Default: all. */
  readonly groups?: readonly string[] | undefined;
}

/** A user who logs in. */
export type LoginOptions = Credentials &
  GroupOptions & {
    /** The broker vhost that access tokens are valid for. Default: set by the installation. */
    readonly vhost?: string | undefined;
    /** The client address that the session is bound to. Default: any. */
    readonly ip?: string | undefined;
    /** What the user sees in the list of sessions, for example the name of this service. */
    readonly client?: string | undefined;
  };
