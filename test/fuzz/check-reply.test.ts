import assert from "node:assert/strict";
import { test } from "node:test";
import { SECTIONS } from "../../src/config/schema.ts";
import { userGet } from "../../src/procedures/user/get.ts";
import type { FuzzReply } from "./caller.ts";
import { type BrokenPromise, checkReply, know } from "./check-reply.ts";
import { render } from "./rendered.ts";
import type { Input } from "./requests.ts";
import type { TokenName } from "./tokens.ts";

const TOKEN = "header.payload.signature";
const SECRET = "a secret of the request";

const known = know(userGet, SECTIONS.app_config.parse({}));
const holder = { kind: "access", username: "root", isAdmin: true, ip: "*", isRevoked: false } as const;
const rules = { holders: new Map([[TOKEN, holder]]), anonymousUserGet: false };
const texts = new Map<TokenName, string>([
  ["admin", TOKEN],
  ["expired", "header.payload.expired"],
]);

const data = { username: "alice", activated: true, created_at: "2026-01-31T23:59:59.123Z" };
const refusal = { msg: "no such user", error: "USER_NOT_FOUND" };

function ask(of: TokenName, input: Partial<Input> = {}): ReturnType<typeof render> {
  const body: Input["body"] = {
    json: {
      members: [
        ["username", { text: "alice" }],
        ["access_token", { token: { of } }],
        ["password", { text: SECRET }],
      ],
    },
  };
  return render("user_get", { body, properties: { correlationId: { text: "id" } }, ...input }, texts);
}

function reply(content: unknown, changes: object = {}, correlationId: string | undefined = "id"): FuzzReply {
  const properties = {
    ...{
      headers: {},
      contentType: "application/json",
      type: "result",
      appId: "authmq",
      deliveryMode: 1,
      timestamp: 1,
    },
    ...changes,
  };
  return {
    content: Buffer.from(typeof content === "string" ? content : JSON.stringify(content)),
    properties: properties as unknown as FuzzReply["properties"],
    correlationId: Buffer.from(correlationId),
  };
}

const ok = { resp_code: 200, resp_data: data };
const failure = (resp_code: number, resp_data: object): object => ({ resp_code, resp_data });

const NO_JSON: Partial<Input> = { body: { hex: "ff" } };

test("a reply that keeps every promise has no fault", () => {
  for (const right of [ok, failure(404, refusal)])
    assert.deepEqual(checkReply(known, rules, ask("admin"), reply(right)).faults, []);
  const invalid = { msg: "the request is not a JSON object in UTF-8", error: "INVALID_JSON" };
  assert.deepEqual(checkReply(known, rules, ask("admin", NO_JSON), reply(failure(400, invalid))).faults, []);
});

const WRONG: readonly (readonly [
  what: string,
  kind: BrokenPromise["kind"],
  ...of: Parameters<typeof checkReply>,
])[] = [
  ["is no JSON", "form", known, rules, ask("admin"), reply("{")],
  ["has more than two members", "form", known, rules, ask("admin"), reply({ ...ok, more: 1 })],
  ["has a code that is no number", "form", known, rules, ask("admin"), reply({ ...ok, resp_code: "200" })],
  ["has another correlation id", "properties", known, rules, ask("admin"), reply(ok, {}, "other")],
  ["has a header", "properties", known, rules, ask("admin"), reply(ok, { headers: { a: 1 } })],
  ["lacks a field", "data", known, rules, ask("admin"), reply(failure(200, { username: "alice" }))],
  ["has a field too many", "data", known, rules, ask("admin"), reply(failure(200, { ...data, hash: "" }))],
  ["is 204 with something in it", "data", known, rules, ask("admin"), reply(failure(204, data))],
  [
    "has an unknown error",
    "table",
    known,
    rules,
    ask("admin"),
    reply(failure(404, { msg: "", error: "toString" })),
  ],
  [
    "has an error of another queue",
    "table",
    known,
    rules,
    ask("admin"),
    reply(failure(409, { msg: "the group exists already", error: "GROUP_TAKEN" })),
  ],
  ["has another code than its error", "table", known, rules, ask("admin"), reply(failure(403, refusal))],
  [
    "has another sentence",
    "table",
    known,
    rules,
    ask("admin"),
    reply(failure(404, { ...refusal, msg: "no" })),
  ],
  ["names a field of the request", "table", known, rules, ask("admin"), reply(invalidAt("of the request"))],
  ["has a stack", "table", known, rules, ask("admin"), reply(failure(404, { ...refusal, stack: "" }))],
  ["is 500", "fault of the worker", known, rules, ask("admin"), reply(internal())],
  ["takes for JSON what is none", "wrong reading", known, rules, ask("admin", NO_JSON), reply(ok)],
  ["takes for none what is JSON", "wrong reading", known, rules, ask("admin"), reply(unread())],
  ["succeeds with a bad token", "success without a right", known, rules, ask("expired"), reply(ok)],
  [
    "repeats a password",
    "secret in the reply",
    known,
    rules,
    ask("admin"),
    reply(failure(404, { ...refusal, msg: SECRET })),
  ],
  [
    "repeats a token",
    "secret in the reply",
    known,
    rules,
    ask("admin"),
    reply(failure(404, { ...refusal, msg: `x${TOKEN}` })),
  ],
];

for (const [what, kind, ...given] of WRONG) {
  test(`a reply that ${what} is found`, () => {
    const kinds = checkReply(...given).faults.map((fault) => fault.kind);
    assert.ok(kinds.includes(kind), kinds.join(", "));
  });
}

function invalidAt(path: string): object {
  const msg = "the request is not valid";
  return failure(400, { msg, error: "INVALID_INPUT", fields: [{ path, msg: "must be a string" }] });
}

function internal(): object {
  const msg = "internal error; search the service's log for the reference";
  return failure(500, { msg, error: "INTERNAL", reference: "of a line" });
}

function unread(): object {
  return failure(400, { msg: "the request is not a JSON object in UTF-8", error: "INVALID_JSON" });
}
