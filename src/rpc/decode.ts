import { AppError } from "../errors.ts";

const MAX_DEPTH = 32;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The JSON object in a request's body; throws REQUEST_TOO_LARGE or INVALID_JSON. */
export function decodeRequest(body: Uint8Array, maxBytes: number): Readonly<Record<string, unknown>> {
  if (body.byteLength > maxBytes) throw new AppError("REQUEST_TOO_LARGE");
  return asObject(parse(body));
}

/** The value as a JSON object; throws INVALID_JSON when it is something else. */
export function asObject(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new AppError("INVALID_JSON");
  return { ...value };
}

function parse(body: Uint8Array): unknown {
  try {
    const text = decoder.decode(body);
    if (isTooDeep(text)) throw new RangeError(`nested deeper than ${MAX_DEPTH} levels`);
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the body, which may hold a password: it is no cause to log.
    throw new AppError("INVALID_JSON");
  }
}

function isTooDeep(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < text.length; index++) {
    const char = text[index];
    if (inString) {
      if (char === "\\") index++;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === "{" || char === "[") {
      if (++depth > MAX_DEPTH) return true;
    } else if (char === "}" || char === "]") depth--;
  }
  return false;
}
