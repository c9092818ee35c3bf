import assert from "node:assert/strict";
import { test } from "node:test";
import { SECTIONS } from "../../src/config/schema.ts";
import { userGet } from "../../src/procedures/user/get.ts";
import type { FuzzReply } from "./caller.ts";
import { type ReplyProblem, checkReply, expectationsOf } from "./check-reply.ts";
import { render } from "./rendered.ts";
import type { Input } from "./requests.ts";
import type { TokenName } from "./tokens.ts";

const TOKEN = "header.payload.signature";
const SECRET = "a secret of the request";

const known = expectationsOf(userGet, SECTIONS.app_config.parse({}));
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

test("a correct reply has no problems", () => {
  for (const right of [ok, failure(404, refusal)])
    assert.deepEqual(checkReply(known, rules, ask("admin"), reply(right)).problems, []);
  const invalid = { msg: "the request is not a JSON object in UTF-8", error: "INVALID_JSON" };
  assert.deepEqual(
    checkReply(known, rules, ask("admin", NO_JSON), reply(failure(400, invalid))).problems,
    [],
  );
});

const WRONG: readonly (readonly [
  what: string,
  kind: ReplyProblem["kind"],
  ...of: Parameters<typeof checkReply>,
])[] = [
  ["is no JSON", "form", known, rules, ask("admin"), reply("{")],
  ["has more than two members", "form", known, rules, ask("admin"), reply({ ...ok, more: 1 })],
  ["has a code that is not a number", "form", known, rules, ask("admin"), reply({ ...ok, resp_code: "200" })],
  ["has another correlation id", "properties", known, rules, ask("admin"), reply(ok, {}, "other")],
  ["has a header", "properties", known, rules, ask("admin"), reply(ok, { headers: { a: 1 } })],
  ["lacks a field", "data", known, rules, ask("admin"), reply(failure(200, { username: "alice" }))],
  ["has an additional field", "data", known, rules, ask("admin"), reply(failure(200, { ...data, hash: "" }))],
  ["is 204 with data", "data", known, rules, ask("admin"), reply(failure(204, data))],
  [
    "has an unknown error code",
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
  [
    "has a resp_code that does not match its error",
    "table",
    known,
    rules,
    ask("admin"),
    reply(failure(403, refusal)),
  ],
  [
    "has another message",
    "table",
    known,
    rules,
    ask("admin"),
    reply(failure(404, { ...refusal, msg: "no" })),
  ],
  [
    "names a field that only the request has",
    "table",
    known,
    rules,
    ask("admin"),
    reply(invalidAt("of the request")),
  ],
  ["has a stack", "table", known, rules, ask("admin"), reply(failure(404, { ...refusal, stack: "" }))],
  ["is 500", "server error", known, rules, ask("admin"), reply(internal())],
  ["accepts invalid JSON", "wrong parse result", known, rules, ask("admin", NO_JSON), reply(ok)],
  ["rejects valid JSON", "wrong parse result", known, rules, ask("admin"), reply(unread())],
  ["succeeds with a bad token", "success without authorization", known, rules, ask("expired"), reply(ok)],
  [
    "contains a password of the request",
    "secret in the reply",
    known,
    rules,
    ask("admin"),
    reply(failure(404, { ...refusal, msg: SECRET })),
  ],
  [
    "contains a token of the request",
    "secret in the reply",
    known,
    rules,
    ask("admin"),
    reply(failure(404, { ...refusal, msg: `x${TOKEN}` })),
  ],
];

for (const [what, kind, ...given] of WRONG) {
  test(`finds a reply that ${what}`, () => {
    const kinds = checkReply(...given).problems.map((problem) => problem.kind);
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
