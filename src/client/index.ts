export type { AccessClaims } from "./claims.ts";
export { type AuthClient, connect } from "./client.ts";
export { AuthError, type AuthErrorCode, NoReplyError, TokenError } from "./errors.ts";
export type { Jwk, KeySet, KeySource, PublicKey } from "./keys.ts";
export type { ConnectOptions } from "./options.ts";
export type { QueueName } from "../wire/queues.ts";
export type { CallOptions, Method, ReplyFrom, RequestTo } from "./queues.ts";
export {
  createSession,
  type Credentials,
  type Session,
  type SessionOptions,
  type SessionWorkflows,
} from "./session.ts";
export {
  createVerifier,
  type Demands,
  type VerifiedToken,
  type Verifier,
  type VerifierOptions,
} from "./verifier.ts";
