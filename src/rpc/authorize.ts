import { findGranted, isExpiredKey } from "../auth/granted.ts";
import { ANY_IP, isUsableFrom, resumeSession } from "../auth/session.ts";
import { isSameName } from "../db/names.ts";
import { AppError } from "../errors.ts";
import type { RequestNotes } from "../observability/request-line.ts";
import { digestOfApiKey, isApiKey } from "../tokens/api-key.ts";
import type { Authenticated, Context, Services } from "./context.ts";
import { type Procedure, tokenFields } from "./procedure.ts";
import { missingToken, type Valid } from "./validate.ts";

/** The caller of a request. */
export type CallerIdentity = Pick<Context, "caller" | "session" | "apiKey" | "setup">;

/** The caller, and why the request is refused. */
export interface Authorization extends CallerIdentity {
  /**
   * Thrown unless this is a retry with a recorded reply: the request itself may have ended the caller's session or
   * membership, and its reply may have been lost.
   */
  readonly refusal: AppError | undefined;
}

interface AuthorizationInput extends Valid {
  /** Gets the username, even if authorization then fails. */
  readonly notes: RequestNotes;
}

const NOBODY: Authorization = {
  caller: undefined,
  session: undefined,
  apiKey: undefined,
  setup: undefined,
  refusal: undefined,
};

/** Authenticates and authorizes the caller as the procedure's access requires. Throws INVALID_TOKEN. */
export async function authorize(
  services: Services,
  procedure: Procedure,
  { token, input, notes }: AuthorizationInput,
): Promise<Authorization> {
  const { access } = procedure;
  const [field] = tokenFields(access);
  if (field === undefined || (access === "optional" && token === undefined)) return NOBODY;
  if (token === undefined) throw missingToken(field);
  if (token.field === "api_key") return authorizeKey(services, token.text, notes);
  if (token.field === "id_token") {
    const resumed = await resumeSession(services, token.text, addressIn(input));
    if (resumed.state === "refused") throw new AppError("INVALID_TOKEN");
    notes.user = resumed.session.username;
    if (resumed.state === "ended" && access !== "any_id_token")
      throw new AppError("INVALID_TOKEN", "the session has ended");
    return { ...NOBODY, session: resumed.session };
  }
  if (token.field === "setup_token") return authorizeSetup(services, token.text, { input, notes });
  const authenticated = await authenticate(services, token.text);
  const { caller } = authenticated;
  const refusal =
    authenticated.refusal ??
    forbidden(access, caller, input) ??
    tooOld(services.app, procedure, caller, input);
  notes.user = caller.username;
  // No request changes what the token of another issuer says.
  if (refusal !== undefined && caller.grant === undefined) throw refusal;
  return { ...NOBODY, caller, refusal };
}

/** The `ip` of a request, in canonical form; `*` if absent. */
export function addressIn({ ip }: Readonly<Record<string, unknown>>): string {
  return typeof ip === "string" ? ip : ANY_IP;
}

async function authorizeKey(
  { lookups }: Services,
  text: string,
  notes: RequestNotes,
): Promise<Authorization> {
  const key = isApiKey(text) ? await lookups.apiKeyByDigest(digestOfApiKey(text)) : undefined;
  if (key === undefined) throw new AppError("INVALID_TOKEN");
  notes.user = key.username;
  if (isExpiredKey(key)) throw new AppError("INVALID_TOKEN", "the API key has expired");
  return { ...NOBODY, apiKey: key };
}

function authorizeSetup(
  { validator }: Services,
  text: string,
  { input, notes }: Pick<AuthorizationInput, "input" | "notes">,
): Authorization {
  const setup = validator.verifySetupToken(text);
  if (setup === undefined || !isUsableFrom(setup, addressIn(input))) throw new AppError("INVALID_TOKEN");
  notes.user = setup.username;
  return { ...NOBODY, setup };
}

async function authenticate(
  { app, lookups, validator }: Services,
  text: string,
): Promise<{ readonly caller: Authenticated; readonly refusal?: AppError }> {
  const token = validator.verifyAccessToken(text);
  if (token === undefined) throw new AppError("INVALID_TOKEN");
  const isAdmin = (groups: readonly string[]): boolean => groups.includes(app.admin_group);
  // Other issuers decide about their users.
  if (token.grant === undefined) return { caller: { ...token, isAdmin: isAdmin(token.groups) } };
  const found = await findGranted(lookups, { ...token, grant: token.grant });
  if (found.state === "alive") {
    const { username, groups, account } = found;
    return { caller: { ...token, username, groups, account, isAdmin: isAdmin(groups) } };
  }
  return { caller: { ...token, groups: [], isAdmin: false }, refusal: refusalOf(found.state) };
}

/** The error for an access token whose session, API key or account has changed since it was issued. */
export function refusalOf(state: "ended" | "deactivated" | "not in the group"): AppError {
  if (state === "deactivated") return new AppError("ACCOUNT_NOT_ACTIVATED");
  if (state === "not in the group") return new AppError("FORBIDDEN");
  return new AppError("INVALID_TOKEN", "the session or API key of the token has ended");
}

function forbidden(
  access: Procedure["access"],
  caller: Authenticated,
  { username }: Readonly<Record<string, unknown>>,
): AppError | undefined {
  if (access === "enrolment") return isOfSession(caller) ? undefined : new AppError("FORBIDDEN");
  if (caller.isAdmin || (access !== "admin" && access !== "self")) return undefined;
  return access === "self" && isAbout(caller, username) ? undefined : new AppError("FORBIDDEN");
}

function isOfSession({ grant }: Authenticated): boolean {
  return grant !== undefined && "sid" in grant;
}

/** Whether a request is about its caller: it names nobody, or the caller. */
function isAbout(caller: Authenticated, username: unknown): boolean {
  return username === undefined || (typeof username === "string" && isSameName(username, caller.username));
}

/** The error if the request needs a recent login, and that of the token is too old or unknown. */
function tooOld(
  { reauthentication_time }: Services["app"],
  procedure: Procedure,
  caller: Authenticated,
  input: Valid["input"],
): AppError | undefined {
  if (reauthentication_time <= 0) return undefined;
  const isOwn = isAbout(caller, input["username"]);
  if (procedure.needsRecentLogin?.(input, { isOwn }) !== true) return undefined;
  const { authTime } = caller;
  if (authTime !== undefined && Date.now() - authTime.getTime() <= reauthentication_time * 60_000)
    return undefined;
  return new AppError("REAUTHENTICATION_REQUIRED");
}
