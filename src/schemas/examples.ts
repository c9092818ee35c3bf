import { AppError, type ErrorCode } from "../errors.ts";
import { type Envelope, failureEnvelope, successEnvelope } from "../rpc/envelope.ts";
import { type Procedure, tokenFields } from "../rpc/procedure.ts";

/** The details of some errors. */
const DETAILS: Partial<Record<ErrorCode, ConstructorParameters<typeof AppError>[2]>> = {
  INVALID_INPUT: { fields: [{ path: "username", msg: "must be a string" }] },
  TOO_MANY_ATTEMPTS: { retryAfter: 8 },
};

/** An example request with placeholders for tokens. */
export function exampleRequest(procedure: Procedure): Readonly<Record<string, unknown>> {
  const { request } = procedure.example;
  const [field] = tokenFields(procedure.access);
  if (field === undefined) return request;
  return { ...request, [field]: field === "id_token" ? "<ID token>" : "<access token>" };
}

/** Example replies by name: success, and the errors of this queue; if it has none, the most common error. */
export function exampleReplies(procedure: Procedure): Readonly<Record<string, Envelope>> {
  const own = [...(procedure.errors ?? [])];
  if (procedure.guesses !== undefined) own.push("TOO_MANY_ATTEMPTS");
  const codes: readonly ErrorCode[] =
    own.length > 0 ? own : [procedure.access === "public" ? "INVALID_INPUT" : "INVALID_TOKEN"];
  return Object.fromEntries([
    ["success", successEnvelope(200, procedure.example.reply)],
    ...codes.map((code) => [code, failureEnvelope(new AppError(code, undefined, DETAILS[code]))] as const),
  ]);
}
