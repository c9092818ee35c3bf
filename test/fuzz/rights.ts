import { type Procedure, tokenField } from "../../src/rpc/procedure.ts";
import type { Rendered } from "./rendered.ts";
import { PASSWORDS, USERS } from "./users.ts";
import type { Holder } from "./issued-tokens.ts";

/** What of an installation says who may do what. */
export interface Rules {
  readonly holders: ReadonlyMap<string, Holder>;
  readonly anonymousUserGet: boolean;
}

/**
 * Whether a success would be right, as far as that can be told from outside: it never is without a token that this
 * installation has given out for this use, or a password that fits. Who may is not asked to succeed.
 */
export function mayOnceSucceed(procedure: Procedure, { reading }: Rendered, rules: Rules): boolean {
  if ("error" in reading) return false;
  const { object } = reading;
  const field = tokenField(procedure.access);
  if (field === undefined) return procedure.name !== "login" || hasPassword(object);
  const token = object[field];
  if (procedure.access === "optional" && (token === undefined || token === null))
    return rules.anonymousUserGet;
  const holder = typeof token === "string" ? rules.holders.get(token) : undefined;
  if (holder === undefined || holder.kind !== (field === "id_token" ? "id" : "access")) return false;
  if (procedure.access === "admin") return holder.isAdmin;
  if (procedure.access === "self") return holder.isAdmin || isSame(object["username"], holder.username);
  if (field !== "id_token") return true;
  if (holder.isRevoked && procedure.access !== "any_id_token") return false;
  // Which spellings name the address it is bound to is not this one's to say.
  return holder.ip === "*" || typeof object["ip"] === "string";
}

/** Whether a success of it leaves something behind. */
export function hasEffect(procedure: Procedure): boolean {
  return procedure.remembersAnswer === true || procedure.access === "any_id_token";
}

/** A database may find a name by a spelling that only it takes for the same: the password is what counts. */
function hasPassword({ username, password }: Readonly<Record<string, unknown>>): boolean {
  return (
    typeof username === "string" && USERS.some((one) => one.activated && PASSWORDS[one.username] === password)
  );
}

function isSame(given: unknown, name: string): boolean {
  return typeof given === "string" && given.toLowerCase() === name.toLowerCase();
}
