import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { z } from "zod";
import { PROCEDURES } from "../../src/procedures/index.ts";
import { createLegacyReplies } from "../../src/rpc/legacy-replies.ts";
import { DATABASES, startWorker } from "../support/worker.ts";

/** A time as Python 3.7 to 3.10 can read it. */
const LEGACY_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/;
const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/;
const PASSWORD = "nine lanterns at dusk";

for (const database of DATABASES) {
  describe(`amqp_settings.legacy_replies on ${database}`, () => {
    test("gives 201 for new accounts, times with an offset, and nothing else", async () => {
      await using worker = await startWorker({
        database,
        config: {
          amqp_settings: { legacy_replies: true },
          app_config: { allow_registration: true, sessions_per_user: 3 },
        },
      });
      await worker.addUser("root", PASSWORD, { groups: ["admin"] });
      const access_token = await worker.ownToken("root", PASSWORD);
      const register = {
        username: "alice",
        password: PASSWORD,
        password_confirm: PASSWORD,
        email: "a@example.com",
      };
      const registered = await worker.call("user_register", register);
      assert.deepEqual(registered, {
        resp_code: 201,
        resp_data: { success: true, msg: "registered user alice" },
      });
      const admin = { username: "bobby", password: PASSWORD, email: "b@example.com", access_token };
      assert.equal((await worker.call("user_admin_create", admin)).resp_code, 201);
      assert.equal((await worker.call("user_admin_create", admin)).resp_code, 409);
      assert.equal((await worker.call("group_create", { groupname: "dev", access_token })).resp_code, 200);

      const login = await worker.call("login", {
        username: "root",
        password: PASSWORD,
        client: "2026-11-29T10:00:00Z",
      });
      assert.match(String(login.resp_data["expires_at"]), LEGACY_TIME);
      assert.equal(typeof login.resp_data["expires_in"], "number");
      const user = await worker.call("user_get", { username: "root", access_token });
      assert.match(String(user.resp_data["created_at"]), LEGACY_TIME);
      const info = user.resp_data["token_info"] as Record<string, unknown>;
      assert.match(String(info["valid_until"]), LEGACY_TIME);
      const sessions = await worker.call("session_all", { access_token });
      const [first] = sessions.resp_data["sessions"] as Record<string, unknown>[];
      assert.match(String(first?.["created_at"]), LEGACY_TIME);
      // The person's own text stays, even if it looks like a time.
      assert.match(JSON.stringify(sessions.resp_data), /"client":"2026-11-29T10:00:00Z"/);
      const log = await worker.call("audit_log", { access_token });
      assert.doesNotMatch(JSON.stringify(log.resp_data).replaceAll(/"client":"[^"]*"/g, ""), TIME);
      assert.match(JSON.stringify(log.resp_data), /"valid_until":"[^"]*\+00:00"/);
    });

    test("off, gives 200 and times with Z", async () => {
      await using worker = await startWorker({ database });
      await worker.addUser("root", PASSWORD, { groups: ["admin"] });
      const access_token = await worker.ownToken("root", PASSWORD);
      const request = { username: "bobby", password: PASSWORD, email: "b@example.com", access_token };
      assert.equal((await worker.call("user_admin_create", request)).resp_code, 200);
      const user = await worker.call("user_get", { username: "root", access_token });
      assert.match(String(user.resp_data["created_at"]), TIME);
    });
  });
}

test("the times in the example reply of every workflow are converted", () => {
  const convert = createLegacyReplies(PROCEDURES);
  for (const { name, example, output } of PROCEDURES) {
    const before = JSON.stringify(example.reply);
    const { resp_data: data } = convert(name, {
      resp_code: 200,
      resp_data: z.looseObject({}).parse(example.reply),
    });
    assert.doesNotMatch(JSON.stringify(data), TIME, `${name}: ${before}`);
    assert.equal(Object.keys(data).length, Object.keys(output.parse(example.reply)).length);
  }
});
