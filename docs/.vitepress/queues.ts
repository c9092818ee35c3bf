import { parse } from "yaml";
import { isQueueName } from "../../src/config/queues.ts";
import { ERRORS } from "../../src/errors.ts";
import type { Shape } from "../generate/settings.ts";
import { callExamples, type JsonObject, tokenFields } from "./call-examples.ts";
import { oneOf, replyTable, requestTable, table } from "./fields.ts";
import type { Page } from "./page.ts";

interface Reference {
  readonly $ref: string;
}

interface Message {
  readonly payload: Shape;
  readonly examples: readonly { readonly name: string; readonly payload: JsonObject }[];
}

interface Operation {
  readonly action: "receive" | "send";
  readonly summary: string;
  readonly description: string;
  readonly tags: readonly { readonly name: string }[];
  readonly channel: Reference;
  readonly messages: readonly Reference[];
  readonly reply: { readonly messages: readonly Reference[] };
  readonly "x-errors": readonly (keyof typeof ERRORS)[];
}

interface AsyncApi {
  readonly info: { readonly description: string };
  readonly operations: Readonly<Record<string, Operation>>;
}

/** The pages of an AsyncAPI document: an overview, and one for each queue. */
export function queuePages(yaml: string): Page[] {
  const api = receiving(parse(yaml) as AsyncApi);
  const pages = Object.entries(api.operations).map(([name, operation]) => ({
    path: `queues/${name}.md`,
    text: queuePage(api, name, operation),
  }));
  return [{ path: "queues/index.md", text: overview(api) }, ...pages];
}

/** Only the operations that workers receive: events, which they send, are in docs/events.md. */
function receiving(api: AsyncApi): AsyncApi {
  const operations = Object.entries(api.operations).filter(([, { action }]) => action === "receive");
  return { ...api, operations: Object.fromEntries(operations) };
}

function overview({ info, operations }: AsyncApi): string {
  const groups = Map.groupBy(Object.entries(operations), ([, { tags }]) => tags[0]?.name ?? "");
  const tables = Array.from(groups, ([tag, members]) => {
    const rows = members.map(([name, operation]) => [
      `[\`${name}\`](${name}.md)`,
      operation.summary,
      authorizationOf(operation),
    ]);
    return `## ${tag}\n\n${table(["queue", "what it does", "authorization"], rows)}`;
  });
  return [
    "# Queues",
    "Each page has the request, the reply, the errors and examples of one queue. The pages are generated from " +
      "[asyncapi.yaml](../schemas/asyncapi.yaml). Message properties and error handling: [protocol](../docs/protocol.md).",
    ...tables,
    "## Common rules",
    info.description,
  ].join("\n\n");
}

function queuePage(api: AsyncApi, name: string, operation: Operation): string {
  if (!isQueueName(name)) throw new Error(`${name} is not the name of a queue`);
  const request = resolve(api, operation.messages) as Message;
  const reply = resolve(api, operation.reply.messages) as Message;
  const success = reply.payload.anyOf?.[0];
  const channel = resolve(api, [operation.channel]) as { readonly description: string };
  const [shown, ...failures] = reply.examples;
  // One error as an example, and those that have more fields than the others.
  const told = failures.filter(({ payload }, index) => index === 0 || hasDetails(payload));
  const [sent] = request.examples;
  const errors = operation["x-errors"].map((code) => [
    String(ERRORS[code].resp),
    `\`${code}\``,
    ERRORS[code].msg,
  ]);
  return [
    `# ${name}`,
    operation.summary,
    ...factsOf(operation).map((fact) => `- ${fact}`),
    `- ${channel.description}`,
    "## Request",
    requestTable(request.payload),
    oneOf(request.payload),
    ...request.examples.map(({ payload }) => json(payload)),
    `JSON Schema: [${name}.request.json](../schemas/rpc/${name}.request.json).`,
    "## Reply",
    `\`resp_code\` is ${codesOf(success?.properties?.["resp_code"])}. The fields of \`resp_data\`:`,
    replyTable(success?.properties?.["resp_data"] ?? {}),
    ...(shown === undefined ? [] : [json(shown.payload)]),
    `JSON Schema, errors included: [${name}.reply.json](../schemas/rpc/${name}.reply.json).`,
    "## Errors",
    table(["resp_code", "error", "meaning"], errors),
    "`resp_data` of an error has `error` and `msg`, and some errors have more fields:",
    ...told.map(({ payload }) => json(payload)),
    "## Examples",
    introductionOf(sent?.payload ?? {}),
    callExamples(name, sent?.payload ?? {}),
  ]
    .filter((part) => part !== "")
    .join("\n\n")
    .replaceAll(/(^- .*)\n\n(?=- )/gm, "$1\n");
}

/** Where the tokens in a request come from, by the names of their fields. */
const TOKEN_SOURCES: Readonly<Record<string, string>> = {
  id_token: "[login](login.md)",
  access_token: "[token](token.md)",
  setup_token: "[login](login.md) (error `SECOND_FACTOR_SETUP_REQUIRED`)",
  challenge:
    "[login](login.md) (error `SECOND_FACTOR_REQUIRED`) or [passkey_login_begin](passkey_login_begin.md)",
  token: "[login](login.md) or [token](token.md)",
  reset_token: "the email that [user_password_forgot](user_password_forgot.md) causes",
  verify_token:
    "the email that a registration or [user_verification_resend](user_verification_resend.md) causes",
};

function hasDetails({ resp_data: data }: JsonObject): boolean {
  return typeof data === "object" && Object.keys(data ?? {}).length > 2;
}

function introductionOf(request: JsonObject): string {
  const sources = tokenFields(request).flatMap((field) => {
    const source = TOKEN_SOURCES[field];
    return source === undefined ? [] : [`\`${field}\` comes from ${source}.`];
  });
  return [
    "TypeScript uses the [client](../docs/client.md), Python `authmq_client.py` of [the Python guide](../docs/guides/python.md), " +
      "the shell [`authmq call`](../docs/operations.md).",
    ...sources,
  ].join(" ");
}

/** The object that the first reference leads to; references on the way are followed. */
function resolve(api: AsyncApi, [reference]: readonly Reference[]): unknown {
  if (reference === undefined) throw new Error("no reference");
  let found: unknown = reference;
  while (isReference(found)) {
    const path = found.$ref.slice("#/".length).split("/");
    found = path.reduce<unknown>((place, key) => (place as Record<string, unknown>)[key], api);
  }
  return found;
}

function isReference(value: unknown): value is Reference {
  return typeof value === "object" && value !== null && "$ref" in value;
}

/** The sentences of a description before its list of errors, which is a table here. */
function factsOf({ description }: Operation): string[] {
  return description.split("\nErrors:")[0]?.split("\n") ?? [];
}

/** The first sentence says who may call, after a colon. */
function authorizationOf(operation: Operation): string {
  return factsOf(operation)[0]?.replace(/^[^:]*: |\.$/g, "") ?? "";
}

function codesOf(shape: Shape = {}): string {
  if (shape.enum === undefined) return String(shape.const);
  return `${shape.enum.join(" or ")} (nothing to list)`;
}

function json(value: unknown): string {
  return `\`\`\`json\n${JSON.stringify(value, null, 2)}\n\`\`\``;
}
