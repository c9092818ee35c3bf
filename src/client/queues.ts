import type { PROCEDURES } from "../procedures/index.ts";
import type { ReplyOf, RequestOf } from "../rpc/procedure.ts";

/** Every procedure by the default name of its queue. */
type Procedures = { readonly [P in (typeof PROCEDURES)[number] as P["name"]]: P };

/** The default name of a queue, which is the name of its workflow. */
export type QueueName = keyof Procedures;

/** What the workflow of a queue takes. */
export type RequestTo<Q extends QueueName> = RequestOf<Procedures[Q]>;

/** What the workflow of a queue gives when it succeeds: `resp_data`. */
export type ReplyFrom<Q extends QueueName> = ReplyOf<Procedures[Q]>;

/** Where each queue's method stands, as in `createAuth`; a queue that is missing here does not compile. */
export const METHODS = {
  login: ["session", "login"],
  logout: ["session", "logout"],
  token: ["session", "getAccessToken"],
  introspect: ["session", "introspect"],
  jwks: ["session", "getJwks"],
  session_revoke: ["session", "revoke"],
  user_register: ["user", "register"],
  user_admin_create: ["user", "adminCreate"],
  user_delete: ["user", "delete"],
  user_change: ["user", "change"],
  user_all: ["user", "getAll"],
  user_get: ["user", "get"],
  user_unlock: ["user", "unlock"],
  user_password_forgot: ["user", "forgotPassword"],
  user_password_reset: ["user", "resetPassword"],
  user_verify_email: ["user", "verifyEmail"],
  user_verification_resend: ["user", "resendVerification"],
  group_all: ["group", "getAll"],
  group_user: ["group", "members"],
  group_create: ["group", "create"],
  group_delete: ["group", "delete"],
  group_add_user: ["group", "addUser"],
  group_remove_user: ["group", "removeUser"],
  audit_log: ["audit", "log"],
} as const satisfies Record<QueueName, readonly [room: string, method: string]>;

/** How one call is made. */
export interface CallOptions {
  /** Ends the call with its reason; what was sent may be done all the same. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for all attempts together. */
  readonly timeout?: number | undefined;
  /** Makes this request and another one with the same body the same: a new UUID unless given. */
  readonly idempotencyKey?: string | undefined;
}

/** One workflow as a method: the request in, `resp_data` out; rejects with an AuthError or a NoReplyError, or a TypeError. */
export type Method<Q extends QueueName> = (
  request: RequestTo<Q>,
  options?: CallOptions,
) => Promise<ReplyFrom<Q>>;

type Table = typeof METHODS;

/** The workflows by room and name. */
export type Methods = {
  readonly [Room in Table[QueueName][0]]: {
    readonly [Q in QueueName as Table[Q][0] extends Room ? Table[Q][1] : never]: Method<Q>;
  };
};
