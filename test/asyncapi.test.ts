import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { before, test } from "node:test";
import {
  type AsyncAPIDocumentInterface,
  type Diagnostic,
  type MessageInterface,
  Parser,
} from "@asyncapi/parser";
import { queueNames } from "../src/config/queues.ts";
import { SECTIONS } from "../src/config/schema.ts";
import { EVENT_TYPES } from "../src/db/tables.ts";
import { ERRORS } from "../src/errors.ts";
import { PROCEDURES } from "../src/procedures/index.ts";
import { errorsOf, requestSchema } from "../src/rpc/procedure.ts";
import { publishedEvent } from "../src/schemas/published-events.ts";
import { replySchema } from "../src/schemas/replies.ts";

const root = resolve(import.meta.dirname, "..");
const app = SECTIONS.app_config.parse({});

let document: AsyncAPIDocumentInterface;
let diagnostics: readonly Diagnostic[];

before(async () => {
  const parsed = await new Parser().parse(readFileSync(join(root, "schemas/asyncapi.yaml"), "utf8"));
  ({ diagnostics } = parsed);
  assert.ok(parsed.document, JSON.stringify(diagnostics));
  document = parsed.document;
});

test("the AsyncAPI document is valid; the only remark is that AsyncAPI 3.1 exists, which tools do not read yet", () => {
  const found = diagnostics.map(({ code, severity }) => [code, severity]);
  assert.deepEqual(found, [["asyncapi-latest-version", 2]]);
});

test("each queue has an operation that receives requests and replies to their reply_to", () => {
  const operations = document.operations().filterByReceive();
  assert.deepEqual(
    operations.map((operation) => operation.id()),
    queueNames(),
  );
  for (const operation of operations) {
    const name = operation.id() ?? "";
    assert.equal(operation.isReceive(), true, name);
    assert.deepEqual(
      operation
        .channels()
        .all()
        .map((channel) => channel.address()),
      [name],
    );
    const reply = operation.reply();
    assert.ok(reply !== undefined, `${name} has no reply`);
    assert.equal(reply.address()?.location(), "$message.header#/reply_to");
    assert.equal(reply.channel()?.address(), null);
    const names = [...operation.messages().all(), ...reply.messages().all()].map((one) => one.name());
    assert.deepEqual(names, [`${name}.request`, `${name}.reply`]);
  }
});

test("events are sent to an exchange, with their type as the routing key", () => {
  const [events, ...others] = document.operations().filterBySend();
  assert.ok(events !== undefined, "nothing is sent");
  assert.deepEqual(
    others.map((operation) => operation.id()),
    [],
  );
  const [channel] = events.channels().all();
  assert.equal(channel?.address(), "{type}");
  assert.deepEqual(channel.parameters().get("type")?.json<{ enum: string[] }>().enum, [...EVENT_TYPES]);
  assert.equal(
    channel.bindings().get("amqp")?.value<{ exchange: { name: string } }>().exchange.name,
    "auth.events",
  );
  const [message] = events.messages().all();
  for (const example of message?.examples().all() ?? []) publishedEvent.parse(example.payload());
  assert.equal(message?.examples().all().length, 1);
});

test("each message describes its properties and correlation id", () => {
  for (const name of queueNames()) {
    const { request, reply } = messagesOf(name);
    for (const message of [request, reply]) {
      assert.equal(message.contentType(), "application/json");
      assert.equal(message.correlationId()?.location(), "$message.header#/correlation_id");
    }
    const headers = Object.keys(request.headers()?.properties() ?? {});
    assert.deepEqual(headers, [
      "reply_to",
      "correlation_id",
      "message_id",
      "x-idempotency-key",
      "expiration",
    ]);
  }
});

test("each example matches the schema of its request or reply", () => {
  for (const procedure of PROCEDURES) {
    const { request, reply } = messagesOf(procedure.name);
    const input = requestSchema(procedure, app).strict();
    for (const example of request.examples().all()) input.parse(example.payload());
    const codes = reply
      .examples()
      .all()
      .map((example) => {
        const payload = example.payload() as { resp_code: number; resp_data: Record<string, unknown> };
        assert.deepEqual(replySchema(procedure).parse(payload), payload);
        return payload.resp_code;
      });
    assert.ok(codes.includes(200) && codes.some((code) => code >= 400), procedure.name);
  }
});

test("no example contains text that looks like a token", () => {
  const text = readFileSync(join(root, "schemas/asyncapi.yaml"), "utf8");
  for (const [, token = ""] of text.matchAll(/^ +(?:id|access)_token: (.+)$/gm))
    assert.match(token, /^<.+ token>$/);
  assert.doesNotMatch(text, /eyJ/);
});

test("each procedure lists all error codes that its file throws", () => {
  const files = globSync("src/procedures/*/*.ts", { cwd: root }).map((file) =>
    readFileSync(join(root, file), "utf8"),
  );
  for (const procedure of PROCEDURES) {
    const source = files.find((text) => text.includes(`name: "${procedure.name}"`));
    assert.ok(source !== undefined, procedure.name);
    // These two functions throw for their callers.
    const lent = [
      ...(/\bgetAccount\(|\bgetTargetRow\(/.test(source) ? ["USER_NOT_FOUND"] : []),
      ...(source.includes("getTargetRow(") ? ["ACCOUNT_NOT_ACTIVATED"] : []),
    ];
    const named = Object.keys(ERRORS).filter((code) => source.includes(`"${code}"`) || lent.includes(code));
    const said: readonly string[] = errorsOf(procedure);
    assert.deepEqual(
      named.filter((code) => !said.includes(code)),
      [],
      procedure.name,
    );
  }
});

function messagesOf(queue: string): { request: MessageInterface; reply: MessageInterface } {
  const request = document.components().messages().get(`${queue}.request`);
  const reply = document.components().messages().get(`${queue}.reply`);
  assert.ok(request !== undefined && reply !== undefined, queue);
  return { request, reply };
}
