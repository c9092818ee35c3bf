import type { AppConfig } from "../config/schema.ts";
import type { FieldFault } from "../errors.ts";
import { brief } from "../observability/request-line.ts";

/** The patterns of app_config, and the request fields that they apply to. */
const PATTERNS = {
  username_regex: "username",
  group_regex: "groupname",
  email_regex: "email",
  password_regex: "password",
} as const;

/**
 * For the log: which keys of app_config reject which fields, so that an operator knows what to change. Undefined if no
 * pattern does. Contains no values, except usernames if `showsNames` is true.
 */
export function patternRejects(
  faults: readonly FieldFault[],
  request: Readonly<Record<string, unknown>>,
  { app, showsNames }: { app: AppConfig; showsNames: boolean },
): string | undefined {
  const rejects = faults.flatMap(({ path, msg }) => {
    const keys = Object.keys(PATTERNS) as (keyof typeof PATTERNS)[]; // the keys of PATTERNS, by its declaration
    const matching = keys.filter((key) => msg === `must match ${app[key]}`);
    const key = matching.find((one) => PATTERNS[one] === path) ?? matching[0];
    if (key === undefined) return [];
    const value = showsNames && path === "username" ? brief(String(request[path])) : undefined;
    return `${path}${value === undefined ? "" : ` ${JSON.stringify(value)}`} does not match app_config.${key}`;
  });
  return rejects.length === 0 ? undefined : rejects.join("; ");
}
