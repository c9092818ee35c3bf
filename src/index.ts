export { ConfigError, type ConfigFault } from "./config/fault.ts";
export { type Auth, type AuthOptions, createAuth } from "./create-auth.ts";
export { AppError, type ErrorCode, ERRORS, type FieldFault } from "./errors.ts";
