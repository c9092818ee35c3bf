import { type QueueName, QUEUES } from "../../src/wire/queues.ts";

type Json = string | number | boolean | null | readonly Json[] | JsonObject;

/** The request of a queue, as its schema has it. */
export interface JsonObject {
  readonly [key: string]: Json;
}

const BROKER_URL = "amqp://user:password@broker:5672/vhost";

/** A longer request is written with one field per line. */
const MAX_LINE = 80;

/** Calls of a queue in TypeScript, Python and a shell, as Markdown. Tokens are variables, named after their fields. */
export function callExamples(queue: QueueName, request: JsonObject): string {
  return [
    "### TypeScript",
    fence("ts", typeScript(queue, request)),
    "### Python",
    fence("python", python(queue, request)),
    "### Shell",
    fence("sh", shell(queue, request)),
    ...("password" in request
      ? [
          `The shell keeps this line in its history. For a real password: \`authmq call ${queue} - < request.json\`.`,
        ]
      : []),
  ].join("\n\n");
}

/** The fields of a request that hold a token. */
export function tokenFields(request: JsonObject): string[] {
  return Object.keys(request).filter(isToken);
}

function typeScript(queue: QueueName, request: JsonObject): string {
  const { namespace, method } = QUEUES[queue];
  const fields = Object.entries(request).map(([name, value]) =>
    isToken(name) ? name : `${name}: ${JSON.stringify(value)}`,
  );
  return [
    'import { connect } from "@authmq/client";',
    "",
    `await using auth = await connect({ url: ${JSON.stringify(BROKER_URL)} });`,
    `const reply = await auth.${namespace}.${method}(${braced(fields, { pad: " ", indent: "" })});`,
    "console.log(reply);",
  ].join("\n");
}

function python(queue: QueueName, request: JsonObject): string {
  const fields = Object.entries(request).map(
    ([name, value]) => `"${name}": ${isToken(name) ? name : pythonOf(value)}`,
  );
  return [
    "from authmq_client import AuthClient",
    "",
    `with AuthClient("${BROKER_URL}") as auth:`,
    `    reply = auth.call("${queue}", ${braced(fields, { pad: "", indent: "    " })})`,
    "    print(reply)",
  ].join("\n");
}

/** The request is on stdin: other users of the host can read command lines. */
function shell(queue: QueueName, request: JsonObject): string {
  const fields = Object.entries(request).map(([name, value]) => {
    const text = JSON.stringify(value).replaceAll("'", String.raw`'\''`);
    return `"${name}":${isToken(name) ? `"'"$${name.toUpperCase()}"'"` : text}`;
  });
  return `echo '{${fields.join(",")}}' | authmq call ${queue} -`;
}

function isToken(field: string): boolean {
  return /(?:^|_)token$/.test(field);
}

/** An object on one line, or with one field per line; `indent` is that of the line it begins on. */
function braced(
  fields: readonly string[],
  { pad, indent }: { readonly pad: string; readonly indent: string },
): string {
  if (fields.length === 0) return "{}";
  const line = `{${pad}${fields.join(", ")}${pad}}`;
  if (line.length <= MAX_LINE) return line;
  const step = pad === "" ? "    " : "  ";
  return `{\n${fields.map((field) => `${indent}${step}${field},\n`).join("")}${indent}}`;
}

function pythonOf(value: Json): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const isList = (one: Json): one is readonly Json[] => Array.isArray(one);
  if (isList(value)) return `[${value.map(pythonOf).join(", ")}]`;
  return `{${Object.entries(value)
    .map(([name, inner]) => `${JSON.stringify(name)}: ${pythonOf(inner)}`)
    .join(", ")}}`;
}

function fence(language: string, text: string): string {
  return `\`\`\`${language}\n${text}\n\`\`\``;
}
