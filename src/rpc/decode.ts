import { AppError } from "../errors.ts";
import { parseJsonObject } from "../wire/json.ts";

const MAX_DEPTH = 32;

/** The JSON object in a request's body; throws REQUEST_TOO_LARGE or INVALID_JSON. */
export function decodeRequest(body: Uint8Array, maxBytes: number): Readonly<Record<string, unknown>> {
  if (body.byteLength > maxBytes) throw new AppError("REQUEST_TOO_LARGE");
  try {
    return parseJsonObject(body, MAX_DEPTH);
  } catch {
    // The parser's own message quotes the body, which may hold a password: it is no cause to log.
    throw new AppError("INVALID_JSON");
  }
}

/** The value as a JSON object; throws INVALID_JSON when it is something else. */
export function asObject(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new AppError("INVALID_JSON");
  return { ...value };
}
