import { unsupportedNode } from "./config/node-version.ts";
import type { Auth, AuthOptions } from "./create-auth.ts";

export { ConfigError, type ConfigFault } from "./config/fault.ts";
export type { Auth, AuthOptions } from "./create-auth.ts";
export { AppError, type ErrorCode, ERRORS, type FieldFault } from "./errors.ts";

const reason = unsupportedNode();
if (reason !== undefined) throw new Error(reason);

/** Opens the database; throws a `ConfigError` if the configuration is not valid. The workflows work without a broker. */
export async function createAuth(options: AuthOptions): Promise<Auth> {
  // Import it only now: older versions of Node cannot link it, and their message would not name the reason.
  return (await import("./create-auth.ts")).createAuth(options);
}
