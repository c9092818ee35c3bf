import { AppError } from "../errors.ts";
import { parseJsonObject } from "../wire/json.ts";

const MAX_DEPTH = 32;

/** Parses a request's body. Throws REQUEST_TOO_LARGE or INVALID_JSON. */
export function decodeRequest(body: Uint8Array, maxBytes: number): Readonly<Record<string, unknown>> {
  if (body.byteLength > maxBytes) throw new AppError("REQUEST_TOO_LARGE");
  try {
    return parseJsonObject(body, MAX_DEPTH);
  } catch {
    // No cause: the parser's message quotes the body, which may contain a password.
    throw new AppError("INVALID_JSON");
  }
}

/** Returns a JSON object; throws INVALID_JSON for anything else. */
export function asObject(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new AppError("INVALID_JSON");
  return { ...value };
}
