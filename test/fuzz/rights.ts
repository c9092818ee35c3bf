import { type Procedure, tokenFields } from "../../src/rpc/procedure.ts";
import type { Rendered } from "./rendered.ts";
import { PASSWORDS, USERS } from "./users.ts";
import type { Holder } from "./issued-tokens.ts";

/** The facts of an installation that determine authorization. */
export interface Rules {
  readonly holders: ReadonlyMap<string, Holder>;
  readonly anonymousUserGet: boolean;
}

/**
 * Whether a success can be correct, as far as a caller can expectationsOf: it never is without a token that this
 * installation issued for this use, or the right password. Permissions are not considered.
 */
export function maySucceed(procedure: Procedure, { reading }: Rendered, rules: Rules): boolean {
  if ("error" in reading) return false;
  const { object } = reading;
  const fields = tokenFields(procedure.access);
  const [field = fields[0]] = fields.filter((name) => object[name] !== undefined && object[name] !== null);
  if (field === undefined) return procedure.name !== "login" || hasPassword(object);
  const token = object[field];
  if (procedure.access === "optional" && (token === undefined || token === null))
    return rules.anonymousUserGet;
  const holder = typeof token === "string" ? rules.holders.get(token) : undefined;
  if (holder === undefined || holder.kind !== KINDS[field]) return false;
  if (procedure.access === "admin") return holder.isAdmin;
  if (procedure.access === "self") {
    const named = object["username"] ?? holder.username; // some queues are about the caller by default
    return holder.isAdmin || isSame(named, holder.username);
  }
  if (field !== "id_token") return true;
  if (holder.isRevoked && procedure.access !== "any_id_token") return false;
  // This function does not decide which spellings equal the bound address.
  return holder.ip === "*" || typeof object["ip"] === "string";
}

const KINDS = { id_token: "id", api_key: "key", access_token: "access", setup_token: "setup" } as const;

/** Whether a success has an effect. */
export function hasEffect(procedure: Procedure): boolean {
  return procedure.remembersAnswer === true || procedure.access === "any_id_token";
}

/** Ignores the username, because a database may match spellings that differ: the password decides. */
function hasPassword({ username, password }: Readonly<Record<string, unknown>>): boolean {
  return (
    typeof username === "string" && USERS.some((one) => one.activated && PASSWORDS[one.username] === password)
  );
}

function isSame(given: unknown, name: string): boolean {
  return typeof given === "string" && given.toLowerCase() === name.toLowerCase();
}
