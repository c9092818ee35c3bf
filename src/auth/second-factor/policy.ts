import type { AppConfig } from "../../config/schema.ts";
import type { FactorRow } from "../../db/queries/factors.ts";
import type { AuthType } from "../../db/tables.ts";
import type { SecondFactorMethod } from "../../errors.ts";

type Rules = Pick<AppConfig, "second_factor" | "second_factor_groups" | "passkeys">;

/** How a login with the right password goes on: a session starts, the user answers a challenge, or enrols a factor. */
export function nextStep(
  { second_factor, second_factor_groups }: Rules,
  { auth_type }: { readonly auth_type: AuthType },
  { groups, factors }: { readonly groups: readonly string[]; readonly factors: readonly FactorRow[] },
): "session" | "challenge" | "setup" {
  if (second_factor === "off" || auth_type === "SERVICE") return "session";
  if (factors.length > 0) return "challenge";
  const isRequired =
    second_factor === "required" || groups.some((name) => second_factor_groups.includes(name));
  return isRequired ? "setup" : "session";
}

/** The answers that an account with these factors can give. */
export function methodsOf({ passkeys }: Rules, factors: readonly FactorRow[]): SecondFactorMethod[] {
  const has = (wanted: FactorRow["type"]): boolean => factors.some(({ type }) => type === wanted);
  return [
    ...(has("totp") ? (["totp"] as const) : []),
    ...(has("passkey") && passkeys !== undefined ? (["passkey"] as const) : []),
    ...(factors.some(({ remaining }) => remaining > 0) ? (["recovery_code"] as const) : []),
  ];
}
