import { isDeepStrictEqual } from "node:util";
import { ERRORS, WRONG_CREDENTIAL } from "../../src/errors.ts";
import { errorsOf, requestSchema, type Procedure } from "../../src/rpc/procedure.ts";
import type { AppConfig } from "../../src/config/schema.ts";
import type { FuzzReply } from "./caller.ts";
import type { Rendered } from "./rendered.ts";
import { GROUPS, USERS } from "./users.ts";
import { maySucceed, type Rules } from "./rights.ts";
import { MAX_SHORT, shortBytes } from "./wire.ts";

/** The result of a check. */
export interface ReplyCheck {
  /** The resp_code; 0 if the reply has none. */
  readonly code: number;
  readonly problems: readonly ReplyProblem[];
}

/** A promise that a reply breaks. */
export interface ReplyProblem {
  readonly kind:
    | "form"
    | "properties"
    | "table"
    | "data"
    | "server error"
    | "wrong parse result"
    | "success without authorization"
    | "secret in the reply";
  readonly detail: string;
}

/** A procedure, and what its replies may contain. */
export interface Expectations {
  readonly procedure: Procedure;
  /** All paths that a field error may have. */
  readonly fields: readonly string[];
  /** Texts that may appear anywhere: words of the protocol, patterns of the configuration, usernames. */
  readonly words: string;
}

type Failures = Readonly<Record<string, { resp: number; msg: string }>>;

const FAILURES: Failures = ERRORS;

/** Shorter secrets are ignored: they are parts of many words. */
const MIN_SECRET = 8;

/** The expectations of a procedure's replies with an installation's settings. */
export function expectationsOf(procedure: Procedure, app: AppConfig): Expectations {
  const fields = Object.keys(requestSchema(procedure, app).shape);
  return {
    procedure,
    // Only fields of the queue: any other name would quote the request.
    fields: ["", "x-idempotency-key", ...fields],
    words: JSON.stringify([ERRORS, fields, app, USERS, GROUPS, "must be LOCAL, LDAP, KERBEROS or SERVICE"]),
  };
}

/** Checks a reply against all promises of the protocol. */
export function checkReply(
  known: Expectations,
  rules: Rules,
  request: Rendered,
  reply: FuzzReply,
): ReplyCheck {
  const { procedure, words } = known;
  const problems: ReplyProblem[] = [];
  const add = (kind: ReplyProblem["kind"], detail: string): void => void problems.push({ kind, detail });
  const text = reply.content.toString();
  for (const secret of leaksOf(request, textsOf(text), words))
    add("secret in the reply", shortenText(secret));
  for (const detail of problemsOfProperties(request, reply)) add("properties", detail);
  const envelope = parse(text);
  if (!isObject(envelope) || !isDeepStrictEqual(Object.keys(envelope), ["resp_code", "resp_data"])) {
    add("form", shortenText(text));
    return { code: 0, problems };
  }
  const { resp_code: code, resp_data: data } = envelope;
  if (typeof code !== "number" || !isObject(data)) {
    add("form", shortenText(text));
    return { code: 0, problems };
  }
  if (code === 200 || code === 204) {
    for (const detail of problemsOfSuccess(procedure, code, data)) add("data", detail);
    if ("error" in request.reading)
      add("wrong parse result", `${code} where only ${request.reading.error} is right`);
    else if (!maySucceed(procedure, request, rules)) add("success without authorization", shortenText(text));
    return { code, problems };
  }
  for (const detail of problemsOfFailure(known, code, data)) add("table", detail);
  if (code >= 500) add("server error", shortenText(text));
  const expected = "error" in request.reading ? request.reading.error : undefined;
  const isSure = !("object" in request.reading) || request.reading.isSure;
  const isRefusedUnread = data["error"] === "INVALID_JSON" || data["error"] === "REQUEST_TOO_LARGE";
  if (expected === undefined ? isSure && isRefusedUnread : data["error"] !== expected)
    add("wrong parse result", `${String(data["error"])} instead of ${expected ?? "anything else"}`);
  return { code, problems };
}

/** The secrets of a request that texts contain, except words that may appear there. */
export function leaksOf(request: Rendered, texts: readonly string[], words: string): string[] {
  return [...new Set(request.secrets)].filter(
    (secret) =>
      secret.length >= MIN_SECRET &&
      !words.includes(secret) &&
      !request.words.some((word) => word.includes(secret)) &&
      texts.some((text) => text.includes(secret)),
  );
}

/** A JSON text, and all decoded strings in it. */
export function textsOf(json: string): string[] {
  const found = [json];
  const visit = (value: unknown): void => {
    if (typeof value === "string") found.push(value);
    else if (typeof value === "object" && value !== null)
      for (const [key, inner] of Object.entries(value)) {
        found.push(key);
        visit(inner);
      }
  };
  visit(parse(json));
  return found;
}

function problemsOfProperties(
  { properties: request }: Rendered,
  { properties, correlationId }: FuzzReply,
): string[] {
  const given: Readonly<Record<string, unknown>> = { ...properties };
  const { headers, contentType, type, appId, deliveryMode, timestamp } = given;
  const expected = idOf(request);
  const problems: string[] = [];
  if (correlationId?.toString("hex") !== expected?.toString("hex"))
    problems.push(`correlation_id ${nameOf(correlationId)} instead of ${nameOf(expected)}`);
  const fixed = { headers, contentType, type, appId, deliveryMode };
  const right = {
    headers: {},
    contentType: "application/json",
    type: "result",
    appId: "authmq",
    deliveryMode: 1,
  };
  if (!isDeepStrictEqual(fixed, right)) problems.push(shortenText(JSON.stringify(fixed)));
  if (typeof timestamp !== "number") problems.push("no timestamp");
  return problems;
}

/** The id of the reply: the correlation id of the request, else its message id, unless it is empty. */
function idOf({ correlationId, messageId }: Rendered["properties"]): Buffer | undefined {
  if (correlationId !== undefined) return returned(shortBytes(correlationId));
  const id = messageId && returned(shortBytes(messageId));
  return id?.length === 0 ? undefined : id;
}

/** An id as a reply returns it: with invalid UTF-8 replaced, and omitted if that makes it too long. */
function returned(id: Buffer): Buffer | undefined {
  const read = Buffer.from(id.toString());
  return read.length > MAX_SHORT ? undefined : read;
}

function nameOf(bytes: Buffer | undefined): string {
  return bytes === undefined ? "none" : `0x${shortenText(bytes.toString("hex"))}`;
}

function problemsOfSuccess(procedure: Procedure, code: number, data: Record<string, unknown>): string[] {
  const { data: parsed, error } = procedure.output.safeParse(data);
  if (error !== undefined) return [error.message];
  const problems = isDeepStrictEqual(parsed, data) ? [] : ["more fields than its schema"];
  if (code !== (procedure.isEmpty?.(parsed) === true ? 204 : 200))
    problems.push(`${code} with ${shortenText(JSON.stringify(data))}`);
  return problems;
}

function problemsOfFailure(
  { procedure, fields: names }: Expectations,
  code: number,
  data: Record<string, unknown>,
): string[] {
  const { msg, error, ...more } = data;
  const entry = typeof error === "string" && Object.hasOwn(FAILURES, error) ? FAILURES[error] : undefined;
  if (entry === undefined) return [`error ${shortenText(String(error))}`];
  const problems: string[] = [];
  const isNamed = error === "INVALID_TOKEN" && names.some((name) => msg === `${name} is missing`);
  const isOfQueue =
    error === "INVALID_CREDENTIALS" &&
    Object.entries(WRONG_CREDENTIAL).some(([queue, text]) => queue === procedure.name && text === msg);
  if (entry.resp !== code || (entry.msg !== msg && !isNamed && !isOfQueue))
    problems.push(`${code} ${String(error)} ${shortenText(String(msg))}`);
  if (!errorsOf(procedure).some((known) => known === error))
    problems.push(`${String(error)}, which is not a declared error of ${procedure.name}`);
  const { fields, reference, retry_after, ...rest } = more;
  if (Object.keys(rest).length > 0) problems.push(`also ${Object.keys(rest).join(", ")}`);
  if (fields !== undefined && (error !== "INVALID_INPUT" || !areFields(names, fields)))
    problems.push(`fields ${shortenText(JSON.stringify(fields))}`);
  if ((reference !== undefined) !== (error === "INTERNAL")) problems.push(`reference ${String(reference)}`);
  const isThrottled = error === "TOO_MANY_ATTEMPTS";
  const isWait = Number.isSafeInteger(retry_after) && Number(retry_after) >= 1;
  if (isThrottled ? !isWait : retry_after !== undefined)
    problems.push(`retry_after ${JSON.stringify(retry_after)}`);
  return problems;
}

function areFields(names: readonly string[], fields: unknown): boolean {
  return (
    Array.isArray(fields) &&
    fields.length > 0 &&
    fields.every(
      (one) =>
        isObject(one) &&
        isDeepStrictEqual(Object.keys(one), ["path", "msg"]) &&
        names.includes(String(one["path"]).replace(/^(passkey|credential)\..*$|\.\d+$/, "$1")) &&
        typeof one["msg"] === "string",
    )
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Shortens a text to 300 characters. */
export function shortenText(text: string): string {
  return text.length <= 300 ? text : `${text.slice(0, 300)}... (${text.length} characters)`;
}
