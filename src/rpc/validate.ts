import type { z } from "zod";
import { AppError, type FieldFault } from "../errors.ts";
import type { RequestNotes } from "../observability/request-line.ts";
import type { Services } from "./context.ts";
import { patternRejects } from "./pattern-rejects.ts";
import { type Procedure, type TokenField, tokenFields } from "./procedure.ts";

type Fields = Readonly<Record<string, unknown>>;

/** A valid request: the parsed fields, and the token as sent. */
export interface Valid {
  readonly input: Fields;
  /** Undefined if the request has none, or the procedure needs none. */
  readonly token: { readonly field: TokenField; readonly text: string } | undefined;
}

/**
 * Validates a request; `null` counts as absent. Throws INVALID_INPUT with all violations. Throws INVALID_TOKEN if the
 * only violation is a missing emailed token. Notes which patterns reject a field.
 */
export function validate(
  procedure: Procedure,
  schema: z.ZodObject,
  request: Fields,
  { services, notes }: { services: Pick<Services, "app" | "showsNames">; notes: RequestNotes },
): Valid {
  const given = withoutNulls(request);
  const { data: input = {}, error } = schema.safeParse(given);
  const faults = error === undefined ? [] : error.issues.map((issue) => toFault(issue, given));
  const tokens = tokenFields(procedure.access).filter((field) => given[field] !== undefined);
  for (const field of tokens)
    if (typeof given[field] !== "string") faults.push({ path: field, msg: "must be a string" });
  const [first, second] = tokens;
  if (second !== undefined) faults.push({ path: second, msg: `must be omitted if ${first} is given` });
  const missingSentToken = faults.find(({ path, msg }) => SENT_TOKENS.has(path) && msg === MISSING);
  const fields = firstOfEachField(faults.filter((fault) => fault !== missingSentToken));
  if (fields.length > 0) {
    notes.reason = patternRejects(fields, request, services);
    throw new AppError("INVALID_INPUT", undefined, { fields });
  }
  if (missingSentToken !== undefined) throw missingToken(missingSentToken.path);
  const text = first && given[first];
  return { input, token: first && typeof text === "string" ? { field: first, text } : undefined };
}

/** The error for a missing token. */
export function missingToken(field: string): AppError {
  const msg = `${field} ${MISSING}`;
  return new AppError("INVALID_TOKEN", msg, { publicMsg: msg });
}

const MISSING = "is missing";

/** Emailed tokens: like any other token, a missing one is 401. */
const SENT_TOKENS: ReadonlySet<string> = new Set(["reset_token", "verify_token"]);

/** Serializers of several languages write null for unset fields. Inside lists and objects, null is a value. */
function withoutNulls(request: Fields): Fields {
  if (!Object.values(request).includes(null)) return request;
  return Object.fromEntries(Object.entries(request).filter(([, value]) => value !== null));
}

function toFault({ code, path, message }: z.core.$ZodIssue, request: Fields): FieldFault {
  // Custom rules have their own message. For an absent value, every other issue means that it is missing.
  const isMissing = code !== "custom" && valueAt(request, path) === undefined;
  return { path: path.join("."), msg: isMissing ? MISSING : message };
}

/** zod checks the length of a list even where a text is wanted, so one wrong value can have several faults. */
function firstOfEachField(faults: readonly FieldFault[]): FieldFault[] {
  const byPath = new Map<string, FieldFault>();
  for (const fault of faults) if (!byPath.has(fault.path)) byPath.set(fault.path, fault);
  return [...byPath.values()];
}

function valueAt(value: unknown, [key, ...rest]: readonly PropertyKey[]): unknown {
  if (key === undefined) return value;
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
  // `hasOwn` has checked it
  return valueAt((value as Record<PropertyKey, unknown>)[key], rest);
}
