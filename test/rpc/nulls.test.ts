import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Parser } from "@asyncapi/parser";
import { stringify } from "yaml";
import { SECTIONS } from "../../src/config/schema.ts";
import { AppError, type Auth, createAuth } from "../../src/index.ts";
import { PROCEDURES } from "../../src/procedures/index.ts";
import { type Procedure, tokenFields } from "../../src/rpc/procedure.ts";
import { requestJsonSchema } from "../../src/schemas/requests.ts";
import { QUEUES } from "../../src/wire/queues.ts";
import { folderWith, runCli } from "../support/cli.ts";
import { secondFactors } from "../support/second-factor.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";

type Fields = Readonly<Record<string, unknown>>;

interface Reply {
  readonly resp_code: number;
  readonly resp_data: Fields;
}

/** Sends a request to a queue, over a broker or without one. */
type Call = (queue: Procedure["name"], request: Fields) => Promise<Reply>;

const procedures: readonly Procedure[] = PROCEDURES;
const app = SECTIONS.app_config.parse({});
const PASSWORD = "nine lanterns at dusk";

let worker: TestWorker;
let auth: Auth;

before(async () => {
  worker = await startWorker({ config: secondFactors({ allow_registration: true }) });
  await worker.addUser("root", PASSWORD, { groups: ["admin"] });
  await worker.addUser("alice", PASSWORD);
  auth = await createAuth({ config: join(folderWith(worker.raw), "config.json") });
});

after(async () => {
  await auth.close();
  await worker[Symbol.asyncDispose]();
});

const TRANSPORTS: Readonly<Record<string, Call>> = {
  "over the broker": (queue, request) => worker.call(queue, request),
  "without a broker": async (queue, request) => {
    const { namespace, method: name } = QUEUES[queue];
    const methods: Readonly<Record<string, unknown>> = { ...auth[namespace] };
    const method = methods[name] as (request: Fields) => Promise<Fields>;
    try {
      const resp_data = await method(request);
      return { resp_code: 200, resp_data };
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      const { respCode, code, message, fields } = error;
      return { resp_code: respCode, resp_data: { msg: message, error: code, ...(fields && { fields }) } };
    }
  },
};

for (const procedure of procedures) {
  const { name } = procedure;
  const { properties = {}, required = [] } = requestJsonSchema(procedure, app);
  const optional = Object.keys(properties).filter((field) => !required.includes(field));
  const credentials = ["id_token", "access_token", "reset_token", "verify_token"];

  for (const [transport, call] of Object.entries(TRANSPORTS)) {
    describe(`${name} ${transport}`, () => {
      for (const field of optional)
        test(`treats a null ${field} as absent`, async () => {
          const absent = without(field, await goodRequest(procedure));
          // The first request has its effect before both compared ones.
          await call(name, absent);
          const wanted = await call(name, await renewed(procedure, absent));
          const got = await call(name, await renewed(procedure, { ...absent, [field]: null }));
          assert.deepEqual(shapeOf(got), shapeOf(wanted));
        });

      if (optional.length > 0)
        test("treats nulls in all optional fields as absent", async () => {
          const wanted = await goodRequest(procedure);
          const nulls = Object.fromEntries(optional.map((field) => [field, null]));
          await call(name, wanted);
          assert.deepEqual(
            shapeOf(await call(name, await renewed(procedure, { ...nulls, ...wanted }))),
            shapeOf(await call(name, await renewed(procedure, wanted))),
          );
        });

      for (const field of required)
        test(`reports ${field} as missing if it is absent or null`, async () => {
          const absent = without(field, await goodRequest(procedure));
          for (const request of [absent, { ...absent, [field]: null }]) {
            const { resp_code, resp_data } = await call(name, request);
            const wanted = credentials.includes(field)
              ? [401, { msg: `${field} is missing`, error: "INVALID_TOKEN" }]
              : [400, invalid({ path: field, msg: "is missing" })];
            assert.deepEqual([resp_code, resp_data], wanted);
          }
        });

      test("reports all missing fields together, and all fields of a wrong type", async () => {
        const missing = required.filter((field) => !credentials.includes(field));
        const none = await call(name, Object.fromEntries(required.map((field) => [field, null])));
        const named = pathsOf(none, "is missing");
        assert.ok(
          missing.every((field) => named.includes(field)),
          JSON.stringify(none),
        );
        const { resp_data } = await call(
          name,
          Object.fromEntries(
            Object.entries(properties).map(([field, schema]) => [
              field,
              isObjectSchema(schema) ? "not of its type" : { not: "of its type" },
            ]),
          ),
        );
        const fields = (resp_data["fields"] ?? []) as readonly { path: string; msg: string }[];
        assert.deepEqual(
          new Set(fields.map(({ path }) => path)),
          new Set(Object.keys(properties)),
          JSON.stringify(resp_data),
        );
        assert.deepEqual(
          fields.filter(({ msg }) => msg === "is missing"),
          [],
        );
      });
    });
  }
}

test("the published schemas accept null for optional fields and reject it for required ones", async () => {
  const cases: [procedure: Procedure, request: Fields, isValid: boolean][] = [];
  for (const procedure of procedures) {
    const { properties = {}, required = [], anyOf, oneOf } = requestJsonSchema(procedure, app);
    const [field] = tokenFields(procedure.access);
    const request = { ...procedure.example.request, ...(field === undefined ? {} : { [field]: "a token" }) };
    const nulls = Object.fromEntries(Object.keys(properties).map((name) => [name, null]));
    const isNeeded = required.length > 0 || anyOf !== undefined || oneOf !== undefined;
    cases.push([procedure, { ...nulls, ...request }, true]);
    cases.push([procedure, nulls, !isNeeded]);
    for (const name of required) cases.push([procedure, { ...request, [name]: null }, false]);
  }
  const [forgot, login] = ["user_password_forgot", "login"].map((name) =>
    procedures.find((procedure) => procedure.name === name),
  );
  assert.ok(forgot !== undefined && login !== undefined, "a procedure was renamed");
  cases.push(
    [forgot, { username: null, email: "alice@example.com" }, true],
    [forgot, { username: "alice", email: null }, true],
    [forgot, { username: null, email: null }, false],
    [forgot, { username: "alice", email: "alice@example.com" }, false],
    [login, { username: null, password: null, kerberos_ticket: "YII=" }, true],
    [login, { username: "alice", password: "x", kerberos_ticket: null }, true],
    [login, { username: "alice", password: null, kerberos_ticket: null }, false],
  );
  const rejected = await findRejected(cases);
  for (const [index, [{ name }, request, isValid]] of cases.entries())
    assert.equal(!rejected.has(String(index)), isValid, `${name} ${JSON.stringify(request)}`);
});

test("null inside a list or an object is a value", async () => {
  const access_token = await worker.accessToken("root", ["admin"]);
  const { resp_data } = await worker.call("user_get", { access_token, username: [null] });
  assert.deepEqual(resp_data, invalid({ path: "username", msg: "must be a string" }));
});

test("authmq call sends null unchanged, and does not treat it as a token on the command line", async () => {
  const cwd = folderWith(worker.raw);
  const request = '{"username":"alice","access_token":null}';
  const { code, stdout, stderr } = await runCli(["call", "user_get", request], { cwd });
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal((JSON.parse(stdout) as Reply).resp_code, 200);
});

/** A request that passes validation and authorization, with fresh tokens. */
async function goodRequest(procedure: Procedure): Promise<Fields> {
  // Not bound to an address: the request is valid with and without `ip`.
  const token =
    tokenFields(procedure.access)[0] === "id_token"
      ? { id_token: await worker.login("alice", PASSWORD) }
      : { access_token: await worker.accessToken("root", ["admin"]) };
  return { ...procedure.example.request, ...(procedure.access === "public" ? {} : token) };
}

function without(field: string, request: Fields): Fields {
  return Object.fromEntries(Object.entries(request).filter(([name]) => name !== field));
}

/** The same request with a fresh ID token, if it has one: the previous request may have ended the session. */
async function renewed(procedure: Procedure, request: Fields): Promise<Fields> {
  return tokenFields(procedure.access)[0] === "id_token"
    ? { ...request, id_token: await worker.login("alice", PASSWORD) }
    : request;
}

/** The parts that are equal in two replies to the same request: no tokens or times. */
function shapeOf({ resp_code, resp_data }: Reply): unknown {
  assert.ok(resp_code < 500, JSON.stringify(resp_data));
  return {
    resp_code,
    fields: Object.keys(resp_data),
    error: resp_data["error"],
    faults: resp_data["fields"],
  };
}

function pathsOf({ resp_data }: Reply, msg: string): string[] {
  const fields = (resp_data["fields"] ?? []) as readonly { path: string; msg: string }[];
  return fields.filter((fault) => fault.msg === msg).map(({ path }) => path);
}

function invalid(...fields: readonly { path: string; msg: string }[]): Fields {
  return { msg: "the request is not valid", error: "INVALID_INPUT", fields };
}

/** Indexes of the requests that AsyncAPI's parser rejects as examples; it checks examples in version 2 only. */
async function findRejected(
  cases: readonly (readonly [Procedure, Fields, boolean])[],
): Promise<ReadonlySet<string>> {
  const channels = cases.map(([procedure, example], index) => {
    const message = {
      payload: requestJsonSchema(procedure, app, "draft-7"),
      examples: [{ payload: example }],
    };
    return [String(index), { publish: { message } }] as const;
  });
  const { diagnostics } = await new Parser().parse(
    stringify(
      {
        asyncapi: "2.6.0",
        info: { title: "requests", version: "1.0.0" },
        channels: Object.fromEntries(channels),
      },
      { aliasDuplicateObjects: false },
    ),
  );
  const complaints = diagnostics.filter(({ code }) => code === "asyncapi2-message-examples");
  return new Set(complaints.map(({ path }) => String(path[1])));
}

/** Whether a field is an object: another object would have errors of its members. */
function isObjectSchema(schema: unknown): boolean {
  const { type } = schema as { type?: unknown };
  return [type].flat().includes("object");
}
