export {
  type BrokerTokenRenewal,
  type RenewableConnection,
  type RenewalOptions,
  renewBrokerToken,
} from "./broker-token.ts";
export { type AuthClient, connect } from "./client.ts";
export { AuthError, type AuthErrorCode, NoReplyError, SessionLimitError } from "./errors.ts";
export type { ConnectOptions } from "./options.ts";
export type { QueueName } from "../wire/queues.ts";
export type { CallOptions, Method, ReplyFrom, RequestTo } from "./queues.ts";
export {
  createRevocationList,
  type RevocationList,
  type RevocationListOptions,
} from "./revocation-list.ts";
export type {
  ContinueLogin,
  SecondFactorAnswer,
  SecondFactorRequest,
  SecondFactorSource,
} from "./second-factor.ts";
export { createSession, type Session } from "./session.ts";
export type {
  ApiKeyOptions,
  Credentials,
  LoginOptions,
  SessionOptions,
  SessionWorkflows,
} from "./session-options.ts";
export * from "./verifier-index.ts";
