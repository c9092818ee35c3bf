import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { z } from "zod";
import { endSessionsOf } from "../../src/accounts/sessions.ts";
import { record } from "../../src/accounts/writer.ts";
import { ip } from "../../src/procedures/fields.ts";
import { defineProcedure, errorsOf, type Procedure } from "../../src/rpc/procedure.ts";
import { stepsOf } from "../../src/rpc/steps.ts";
import type { SetupDetails } from "../../src/tokens/issuer.ts";
import { openPipeline, type TestPipeline } from "../support/pipeline.ts";
import { assertInvalid, assertRefused, dataOf } from "../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../support/worker.ts";

const PASSWORD = "correct horse battery";
const ADDRESS = "192.0.2.7";

/** What the handler has got, as a reply. */
const output = z.object({
  caller: z.string().nullable(),
  account: z.string().nullable(),
  setup: z.string().nullable(),
  count: z.number(),
});

let handled = 0;
let beforeCommit = async (): Promise<unknown> => undefined;

/** Enrols nothing, and records an event in its transaction. The queue's name has no meaning here. */
const enrol = defineProcedure({
  name: "user_unlock",
  key: "test",
  namespace: "user",
  method: "enrol",
  description: "Enrols.",
  access: "enrolment",
  requires: "second_factor",
  remembersAnswer: true,
  input: () => z.object({ ip: ip(), note: z.string("must be a string").optional() }),
  output,
  example: { request: {}, reply: { caller: "alice", account: "alice", setup: null, count: 1 } },
  async handler({ caller, account, setup, commit }) {
    await beforeCommit();
    const username = (caller ?? setup)?.username ?? "";
    return commit(async (writer) => {
      await record(writer, { type: "user.unlocked", username, data: {} });
      return {
        caller: caller?.username ?? null,
        account: account?.username ?? null,
        setup: setup?.username ?? null,
        count: ++handled,
      };
    });
  },
});

const withPasskeys = { ...enrol, name: "user_verify_email", requires: "passkeys" } as const;
const PROCEDURES: readonly Procedure[] = [enrol, withPasskeys];

for (const database of DATABASES) {
  describe(`enrolment on ${database}`, () => {
    let worker: TestWorker;
    let pipeline: TestPipeline;
    before(async () => {
      worker = await startWorker({ database });
      await worker.addUser("Alice", PASSWORD);
      pipeline = await openPipeline(worker, PROCEDURES, { second_factor: "optional" });
    });
    after(() => worker[Symbol.asyncDispose]());

    const ask = (request: object) => pipeline.ask("user_unlock", request);
    const setupToken = (details: Partial<SetupDetails> = {}, username = "Alice"): string =>
      pipeline.tokens.issuer.signSetupToken(username, {
        ...{ ip: "*", vhost: "prod", client: null, amr: ["pwd"], challenge: "of a login" },
        ...details,
      });

    test("is for a user with the access token of a session, whose account the handler gets", async () => {
      const access_token = await worker.ownToken("alice", PASSWORD);
      const { caller, account, setup } = dataOf(await ask({ access_token }));
      assert.deepEqual({ caller, account, setup }, { caller: "Alice", account: "Alice", setup: null });
    });

    test("is for a user with a setup token, who is the actor of the events and in the log", async () => {
      const { caller, account, setup } = dataOf(await ask({ setup_token: setupToken() }));
      assert.deepEqual({ caller, account, setup }, { caller: null, account: null, setup: "Alice" });
      const { actor } = await worker.db
        .selectFrom("event")
        .select("actor")
        .orderBy("seq", "desc")
        .executeTakeFirstOrThrow();
      assert.equal(actor, "Alice");
      assert.match(pipeline.log.at(-1) ?? "", /"user":"Alice"/);
    });

    test("accepts a setup token only from the address of its login", async () => {
      const setup_token = setupToken({ ip: ADDRESS });
      for (const more of [{}, { ip: "*" }, { ip: null }, { ip: "192.0.2.8" }])
        assertRefused(await ask({ setup_token, ...more }), 401, "INVALID_TOKEN");
      for (const address of [ADDRESS, `::ffff:${ADDRESS}`]) dataOf(await ask({ setup_token, ip: address }));
      dataOf(await ask({ setup_token: setupToken(), ip: ADDRESS }));
    });

    test("needs exactly one token, in its own field", async () => {
      const access_token = await worker.ownToken("alice", PASSWORD);
      const id_token = await worker.login("alice", PASSWORD);
      const setup_token = setupToken();
      assertInvalid(await ask({ access_token, setup_token }), "setup_token");
      for (const none of [{}, { access_token: null, setup_token: null }, { id_token }]) {
        const reply = await ask(none);
        assertRefused(reply, 401, "INVALID_TOKEN");
        assert.equal(reply.resp_data["msg"], "access_token is missing");
      }
      for (const [field, token] of [
        ["access_token", setup_token],
        ["access_token", id_token],
        ["setup_token", access_token],
        ["setup_token", id_token],
        ["setup_token", ""],
      ] as const)
        assertRefused(await ask({ [field]: token }), 401, "INVALID_TOKEN");
      assertInvalid(await ask({ setup_token: 1 }), "setup_token");
    });

    test("is forbidden for API keys and for the users of other issuers, administrators too", async () => {
      await worker.addUser("boss", PASSWORD, { groups: ["admin"] });
      const admin = await worker.ownToken("boss", PASSWORD);
      const request = { access_token: admin, username: "boss", name: "of a test" };
      const { api_key } = dataOf(await worker.call("api_key_create", request));
      const { access_token } = dataOf(await worker.call("token", { api_key }));
      assertRefused(await ask({ access_token }), 403, "FORBIDDEN");
      for (const groups of [[], ["admin"]])
        assertRefused(
          await ask({ access_token: await worker.accessToken("Alice", groups) }),
          403,
          "FORBIDDEN",
        );
    });

    test("is refused for a session that was revoked, and for an account that is not active", async () => {
      await worker.addUser("leaver", PASSWORD);
      const id_token = await worker.login("leaver", PASSWORD);
      const access_token = dataOf(await worker.call("token", { id_token }))["access_token"] as string;
      await worker.db.updateTable("user").set({ activated: 0 }).where("username", "=", "leaver").execute();
      assertRefused(await ask({ access_token }), 403, "ACCOUNT_NOT_ACTIVATED");
      await worker.db.updateTable("user").set({ activated: 1 }).where("username", "=", "leaver").execute();
      dataOf(await ask({ access_token }));
      dataOf(await worker.call("logout", { id_token }));
      assertRefused(await ask({ access_token }), 401, "INVALID_TOKEN");
    });

    test("checks again in its transaction that the session exists", async () => {
      await worker.addUser("quick", PASSWORD);
      const access_token = await worker.ownToken("quick", PASSWORD);
      beforeCommit = () =>
        worker.db.transaction().execute((trx) => endSessionsOf({ trx, actor: null }, "quick", "revoked"));
      const count = handled;
      const reply = await ask({ access_token });
      beforeCommit = async () => undefined;
      assertRefused(reply, 401, "INVALID_TOKEN");
      assert.equal(handled, count, "the work was not begun");
    });

    test("a retry with a setup token gets the recorded reply, and no one else's", async () => {
      await worker.addUser("other", PASSWORD);
      const key = `key on ${database}`;
      const retry = (setup_token: string, more = {}) =>
        pipeline.askWithKey(key, "user_unlock", { setup_token, ...more });
      const first = await retry(setupToken());
      dataOf(first!);
      assert.deepEqual(await retry(setupToken()), first);
      const elses = await retry(setupToken({}, "other"));
      assert.equal(elses?.resp_data["setup"], "other");
      assertRefused((await retry(setupToken(), { note: "another" }))!, 409, "IDEMPOTENCY_CONFLICT");
    });

    test("is off, whatever the token, unless the configuration turns it on", async () => {
      const off = await openPipeline(worker, PROCEDURES, { second_factor: "off" });
      const passkeys = { rp_id: "example.com", rp_name: "Example", origins: ["https://example.com"] };
      const on = await openPipeline(worker, PROCEDURES, { second_factor: "required", passkeys });
      for (const request of [{}, { access_token: "x" }, { setup_token: setupToken() }]) {
        assertRefused(await off.ask("user_unlock", request), 403, "SECOND_FACTOR_OFF");
        assertRefused(await off.ask("user_verify_email", request), 403, "SECOND_FACTOR_OFF");
        assertRefused(await pipeline.ask("user_verify_email", request), 403, "PASSKEYS_OFF");
      }
      assertInvalid(await off.ask("user_unlock", { note: 1 }), "note");
      dataOf(await on.ask("user_verify_email", { setup_token: setupToken() }));
    });
  });
}

test("the errors and the steps of a procedure follow from its access and what it requires", () => {
  const errors = new Set<string>(errorsOf(PROCEDURES[1]!));
  for (const code of [
    "FORBIDDEN",
    "INVALID_TOKEN",
    "ACCOUNT_NOT_ACTIVATED",
    "SECOND_FACTOR_OFF",
    "PASSKEYS_OFF",
  ])
    assert.ok(errors.has(code), code);
  assert.equal(errorsOf(PROCEDURES[0]!).includes("PASSKEYS_OFF"), false);
  assert.deepEqual(stepsOf(PROCEDURES[0]!), {
    ...{ requires: "second_factor", authorize: "enrolment" },
    ...{ recentLogin: false, account: false, rateLimit: false, replay: true },
  });
});
