import { ANY_IP, resumeSession } from "../auth/session.ts";
import { isSameName } from "../db/names.ts";
import { AppError } from "../errors.ts";
import type { RequestNotes } from "../observability/request-line.ts";
import type { Authenticated, Context, Services } from "./context.ts";
import { type Procedure, tokenField } from "./procedure.ts";
import { missingToken, type Valid } from "./validate.ts";

/** The caller of a request. */
export type CallerIdentity = Pick<Context, "caller" | "session">;

interface AuthorizationInput extends Valid {
  /** Gets the username, even if authorization then fails. */
  readonly notes: RequestNotes;
}

/** Authenticates and authorizes the caller as the procedure's access requires. Throws INVALID_TOKEN or FORBIDDEN. */
export async function authorize(
  services: Services,
  procedure: Procedure,
  { token, input, notes }: AuthorizationInput,
): Promise<CallerIdentity> {
  const field = tokenField(procedure.access);
  if (field === undefined || (procedure.access === "optional" && token === undefined))
    return { caller: undefined, session: undefined };
  if (token === undefined) throw missingToken(field);
  if (field === "id_token") {
    const resumed = await resumeSession(services, token, addressIn(input));
    if (resumed.state === "refused") throw new AppError("INVALID_TOKEN");
    notes.user = resumed.session.username;
    if (resumed.state === "ended" && procedure.access !== "any_id_token")
      throw new AppError("INVALID_TOKEN", "the session has ended");
    return { caller: undefined, session: resumed.session };
  }
  const caller = await authenticate(services, token);
  notes.user = caller.username;
  if (procedure.access === "admin" && !caller.isAdmin) throw new AppError("FORBIDDEN");
  if (procedure.access === "self" && !caller.isAdmin && !isNamed(caller, input))
    throw new AppError("FORBIDDEN");
  return { caller, session: undefined };
}

/** The `ip` of a request, in canonical form; `*` if absent. */
export function addressIn({ ip }: Readonly<Record<string, unknown>>): string {
  return typeof ip === "string" ? ip : ANY_IP;
}

async function authenticate({ app, validator }: Services, token: string): Promise<Authenticated> {
  const caller = validator.verifyAccessToken(token);
  if (caller === undefined) throw new AppError("INVALID_TOKEN");
  return { ...caller, isAdmin: caller.groups.includes(app.admin_group) };
}

function isNamed(caller: Authenticated, input: Readonly<Record<string, unknown>>): boolean {
  const { username } = input;
  return typeof username === "string" && isSameName(username, caller.username);
}
