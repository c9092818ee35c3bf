import { parse } from "yaml";
import { ERRORS } from "../../src/errors.ts";
import type { Shape } from "../generate/settings.ts";
import { fieldTable, oneOf, table } from "./fields.ts";
import type { Page } from "./page.ts";

interface Reference {
  readonly $ref: string;
}

interface Message {
  readonly payload: Shape;
  readonly examples: readonly { readonly name: string; readonly payload: unknown }[];
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

/** What is sent, and not received, has a document of its own: docs/events.md. */
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
      whoMay(operation),
    ]);
    return `## ${tag}\n\n${table(["queue", "does", "who may call"], rows)}`;
  });
  return [
    "# Queues",
    "This is [asyncapi.yaml](../schemas/asyncapi.yaml) for people to read; what is beside the queues stands in the " +
      "[protocol](../docs/protocol.md).",
    ...tables,
    "## What all have in common",
    info.description,
  ].join("\n\n");
}

function queuePage(api: AsyncApi, name: string, operation: Operation): string {
  const request = resolve(api, operation.messages) as Message;
  const reply = resolve(api, operation.reply.messages) as Message;
  const success = reply.payload.anyOf?.[0];
  const channel = resolve(api, [operation.channel]) as { readonly description: string };
  const [shown, ...failures] = reply.examples;
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
    fieldTable(request.payload, "required"),
    oneOf(request.payload),
    ...request.examples.map(({ payload }) => json(payload)),
    `As a JSON Schema: [${name}.request.json](../schemas/rpc/${name}.request.json).`,
    "## Reply",
    `\`resp_code\` is ${codesOf(success?.properties?.["resp_code"])}, and \`resp_data\` has:`,
    fieldTable(success?.properties?.["resp_data"] ?? {}, "always"),
    ...(shown === undefined ? [] : [json(shown.payload)]),
    `As a JSON Schema, failures included: [${name}.reply.json](../schemas/rpc/${name}.reply.json).`,
    "## Failures",
    table(["resp_code", "error", "msg"], errors),
    ...failures.map(({ payload }) => json(payload)),
  ]
    .join("\n\n")
    .replaceAll(/(^- .*)\n\n(?=- )/gm, "$1\n");
}

/** What the first of some references leads to, through references on the way. */
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

/** The sentences of a description before its list of errors, which has its own table on the page. */
function factsOf({ description }: Operation): string[] {
  return description.split("\nErrors:")[0]?.split("\n") ?? [];
}

function whoMay(operation: Operation): string {
  return factsOf(operation)[0]?.replace(/^Authorization: |\.$/g, "") ?? "";
}

function codesOf(shape: Shape = {}): string {
  if (shape.enum === undefined) return String(shape.const);
  return `${shape.enum.join(" or ")} (where there is nothing to list)`;
}

function json(value: unknown): string {
  return `\`\`\`json\n${JSON.stringify(value, null, 2)}\n\`\`\``;
}
