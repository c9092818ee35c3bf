import { isDeepStrictEqual } from "node:util";
import { ERRORS } from "../../src/errors.ts";
import { errorsOf, requestSchema, type Procedure } from "../../src/rpc/procedure.ts";
import type { AppConfig } from "../../src/config/schema.ts";
import type { FuzzReply } from "./caller.ts";
import type { Rendered } from "./rendered.ts";
import { GROUPS, USERS } from "./users.ts";
import { mayOnceSucceed, type Rules } from "./rights.ts";
import { MAX_SHORT, shortBytes } from "./wire.ts";

/** What a reply says, as far as it can be read. */
export interface ReplyVerdict {
  /** 0 where there is none. */
  readonly code: number;
  readonly faults: readonly BrokenPromise[];
}

/** One promise that a reply breaks. */
export interface BrokenPromise {
  readonly kind:
    | "form"
    | "properties"
    | "table"
    | "data"
    | "fault of the worker"
    | "wrong reading"
    | "success without a right"
    | "secret in the reply";
  readonly detail: string;
}

/** A procedure with what its replies may say. */
export interface Known {
  readonly procedure: Procedure;
  /** All names that a fault may have for its place. */
  readonly fields: readonly string[];
  /** What may stand anywhere: the words of the protocol, the patterns of the configuration, the users' names. */
  readonly words: string;
}

type Failures = Readonly<Record<string, { resp: number; msg: string }>>;

const FAILURES: Failures = ERRORS;

/** What of a request's secrets is none: shorter ones are in many a word. */
const MIN_SECRET = 8;

/** A procedure by the rules of one installation. */
export function know(procedure: Procedure, app: AppConfig): Known {
  const fields = Object.keys(requestSchema(procedure, app).shape);
  return {
    procedure,
    // Only fields that the queue has: another name would be the request's own text.
    fields: ["", "x-idempotency-key", ...fields],
    words: JSON.stringify([ERRORS, fields, app, USERS, GROUPS, "must be LOCAL, LDAP or KERBEROS"]),
  };
}

/** Holds a reply against all that is promised of it. */
export function checkReply(known: Known, rules: Rules, request: Rendered, reply: FuzzReply): ReplyVerdict {
  const { procedure, words } = known;
  const faults: BrokenPromise[] = [];
  const add = (kind: BrokenPromise["kind"], detail: string): void => void faults.push({ kind, detail });
  const text = reply.content.toString();
  for (const secret of leaksOf(request, textsOf(text), words))
    add("secret in the reply", shortenText(secret));
  for (const detail of faultsOfProperties(request, reply)) add("properties", detail);
  const envelope = parse(text);
  if (!isObject(envelope) || !isDeepStrictEqual(Object.keys(envelope), ["resp_code", "resp_data"])) {
    add("form", shortenText(text));
    return { code: 0, faults };
  }
  const { resp_code: code, resp_data: data } = envelope;
  if (typeof code !== "number" || !isObject(data)) {
    add("form", shortenText(text));
    return { code: 0, faults };
  }
  if (code === 200 || code === 204) {
    for (const detail of faultsOfSuccess(procedure, code, data)) add("data", detail);
    if ("error" in request.reading)
      add("wrong reading", `${code} where only ${request.reading.error} is right`);
    else if (!mayOnceSucceed(procedure, request, rules)) add("success without a right", shortenText(text));
    return { code, faults };
  }
  for (const detail of faultsOfFailure(known, code, data)) add("table", detail);
  if (code >= 500) add("fault of the worker", shortenText(text));
  const wanted = "error" in request.reading ? request.reading.error : undefined;
  const isSure = !("object" in request.reading) || request.reading.isSure;
  const isRefusedUnread = data["error"] === "INVALID_JSON" || data["error"] === "REQUEST_TOO_LARGE";
  if (wanted === undefined ? isSure && isRefusedUnread : data["error"] !== wanted)
    add("wrong reading", `${String(data["error"])} where ${wanted ?? "anything else"} is right`);
  return { code, faults };
}

/** The secrets of a request that stand in some texts, and no word that stands there by right. */
export function leaksOf(request: Rendered, texts: readonly string[], words: string): string[] {
  return [...new Set(request.secrets)].filter(
    (secret) =>
      secret.length >= MIN_SECRET &&
      !words.includes(secret) &&
      !request.words.some((word) => word.includes(secret)) &&
      texts.some((text) => text.includes(secret)),
  );
}

/** A text of JSON as it is, and all texts in it as a reader gets them. */
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

function faultsOfProperties(
  { properties: asked }: Rendered,
  { properties, correlationId }: FuzzReply,
): string[] {
  const given: Readonly<Record<string, unknown>> = { ...properties };
  const { headers, contentType, type, appId, deliveryMode, timestamp } = given;
  const wanted = idOf(asked);
  const faults: string[] = [];
  if (correlationId?.toString("hex") !== wanted?.toString("hex"))
    faults.push(`correlation_id ${nameOf(correlationId)} instead of ${nameOf(wanted)}`);
  const fixed = { headers, contentType, type, appId, deliveryMode };
  const right = {
    headers: {},
    contentType: "application/json",
    type: "result",
    appId: "authmq",
    deliveryMode: 1,
  };
  if (!isDeepStrictEqual(fixed, right)) faults.push(shortenText(JSON.stringify(fixed)));
  if (typeof timestamp !== "number") faults.push("no timestamp");
  return faults;
}

/** The id of the reply: the correlation id of the request, else its message id, where it is not empty. */
function idOf({ correlationId, messageId }: Rendered["properties"]): Buffer | undefined {
  if (correlationId !== undefined) return returned(shortBytes(correlationId));
  const id = messageId && returned(shortBytes(messageId));
  return id?.length === 0 ? undefined : id;
}

/** An id as a reply can have it: what is no UTF-8 has become so, and what is too long for it then is left out. */
function returned(id: Buffer): Buffer | undefined {
  const read = Buffer.from(id.toString());
  return read.length > MAX_SHORT ? undefined : read;
}

function nameOf(bytes: Buffer | undefined): string {
  return bytes === undefined ? "none" : `0x${shortenText(bytes.toString("hex"))}`;
}

function faultsOfSuccess(procedure: Procedure, code: number, data: Record<string, unknown>): string[] {
  const { data: parsed, error } = procedure.output.safeParse(data);
  if (error !== undefined) return [error.message];
  const faults = isDeepStrictEqual(parsed, data) ? [] : ["more than its schema has"];
  if (code !== (procedure.isEmpty?.(parsed) === true ? 204 : 200))
    faults.push(`${code} with ${shortenText(JSON.stringify(data))}`);
  return faults;
}

function faultsOfFailure(
  { procedure, fields: names }: Known,
  code: number,
  data: Record<string, unknown>,
): string[] {
  const { msg, error, ...more } = data;
  const entry = typeof error === "string" && Object.hasOwn(FAILURES, error) ? FAILURES[error] : undefined;
  if (entry === undefined) return [`error ${shortenText(String(error))}`];
  const faults: string[] = [];
  const isNamed = error === "INVALID_TOKEN" && names.some((name) => msg === `${name} is missing`);
  if (entry.resp !== code || (entry.msg !== msg && !isNamed))
    faults.push(`${code} ${String(error)} ${shortenText(String(msg))}`);
  if (!errorsOf(procedure).some((known) => known === error))
    faults.push(`${String(error)}, which ${procedure.name} does not say that it fails with`);
  const { fields, reference, retry_after, ...rest } = more;
  if (Object.keys(rest).length > 0) faults.push(`also ${Object.keys(rest).join(", ")}`);
  if (fields !== undefined && (error !== "INVALID_INPUT" || !areFields(names, fields)))
    faults.push(`fields ${shortenText(JSON.stringify(fields))}`);
  if ((reference !== undefined) !== (error === "INTERNAL")) faults.push(`reference ${String(reference)}`);
  const isThrottled = error === "TOO_MANY_ATTEMPTS";
  const isWait = Number.isSafeInteger(retry_after) && Number(retry_after) >= 1;
  if (isThrottled ? !isWait : retry_after !== undefined)
    faults.push(`retry_after ${JSON.stringify(retry_after)}`);
  return faults;
}

function areFields(names: readonly string[], fields: unknown): boolean {
  return (
    Array.isArray(fields) &&
    fields.length > 0 &&
    fields.every(
      (one) =>
        isObject(one) &&
        isDeepStrictEqual(Object.keys(one), ["path", "msg"]) &&
        names.includes(String(one["path"]).replace(/\.\d+$/, "")) &&
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

/** A text of at most 300 characters. */
export function shortenText(text: string): string {
  return text.length <= 300 ? text : `${text.slice(0, 300)}... (${text.length} characters)`;
}
