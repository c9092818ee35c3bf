import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createIssuer } from "../../src/tokens/issuer.ts";
import { accessClaims, craft } from "../tokens/craft.ts";
import { connectKeyed } from "../support/keyed-caller.ts";
import { assertRefused, dataOf } from "../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../support/worker.ts";

const PASSWORD = "correct horse battery";

for (const database of DATABASES) {
  describe(`the caller of an access token on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({ database, config: { app_config: { sessions_per_user: 5 } } });
      await worker.startReplica();
      await worker.addUser("boss", PASSWORD, { groups: ["admin"] });
      await worker.addUser("alice", PASSWORD);
    });
    after(() => worker[Symbol.asyncDispose]());

    let count = 0;
    /** A new administrator, and an access token of it. */
    const hire = async (): Promise<{ name: string; access_token: string; id_token: string }> => {
      const name = `admin-${++count}`;
      await worker.addUser(name, PASSWORD, { groups: ["admin"] });
      const id_token = await worker.login(name, PASSWORD);
      const access_token = dataOf(await worker.call("token", { id_token }))["access_token"] as string;
      return { name, id_token, access_token };
    };
    const asBoss = async (queue: string, request: object): Promise<void> => {
      const access_token = await worker.ownToken("boss", PASSWORD);
      dataOf(await worker.call(queue, { ...request, access_token }));
    };
    const backdoor = (access_token: string) =>
      worker.call("user_admin_create", {
        username: `door-${++count}`,
        password: "a good long password",
        email: `door-${count}@example.com`,
        access_token,
      });

    test("is no administrator from the moment the membership is removed", async () => {
      const { name, access_token } = await hire();
      dataOf(await backdoor(access_token));
      await asBoss("group_remove_user", { groupname: "admin", username: name });
      assertRefused(await backdoor(access_token), 403, "FORBIDDEN");
      const promote = { groupname: "admin", username: "alice", access_token };
      assertRefused(await worker.call("group_add_user", promote), 403, "FORBIDDEN");
    });

    test("is an administrator from the moment it becomes a member, without a new token", async () => {
      await worker.addUser("newcomer", PASSWORD);
      const access_token = await worker.ownToken("newcomer", PASSWORD);
      assertRefused(await backdoor(access_token), 403, "FORBIDDEN");
      await asBoss("group_add_user", { groupname: "admin", username: "newcomer" });
      dataOf(await backdoor(access_token));
    });

    for (const [what, end, code, error] of [
      ["logged out", ({ id_token }: Hired) => worker.call("logout", { id_token }), 401, "INVALID_TOKEN"],
      ["revoked", ({ name }: Hired) => asBoss("session_revoke", { username: name }), 401, "INVALID_TOKEN"],
      ["deleted", ({ name }: Hired) => asBoss("user_delete", { username: name }), 401, "INVALID_TOKEN"],
      [
        "deactivated",
        ({ name }: Hired) => asBoss("user_change", { username: name, activated: false }),
        403,
        "ACCOUNT_NOT_ACTIVATED",
      ],
    ] as const) {
      test(`is refused everywhere once it is ${what}`, async () => {
        const hired = await hire();
        const { name, access_token } = hired;
        await end(hired);
        for (const [queue, request] of [
          ["user_admin_create", { username: "intruder", password: PASSWORD, email: "x-1@example.com" }],
          ["group_all", {}],
          ["user_all", {}],
          ["user_get", { username: "alice" }],
          ["user_change", { username: name, email: "other@example.com" }],
          ["user_delete", { username: "alice" }],
          ["session_all", {}],
          ["session_revoke", { username: "alice" }],
          ["audit_log", {}],
        ] as const)
          assertRefused(await worker.call(queue, { ...request, access_token }), code, error);
        assert.deepEqual(dataOf(await worker.call("introspect", { token: access_token })), { active: false });
      });
    }

    test("of an earlier account with the same name is refused", async () => {
      const { name, access_token } = await hire();
      await asBoss("user_delete", { username: name });
      await worker.addUser(name, PASSWORD, { groups: ["admin"], email: "second@example.com" });
      assertRefused(await backdoor(access_token), 401, "INVALID_TOKEN");
    });

    test("is refused with a token that names neither session nor API key, or that of another user", async () => {
      const { key, method } = worker.config.signing!;
      const header = { alg: method, typ: "at+jwt" };
      const claims = { sub: "boss", user: "boss", groups: ["admin"] };
      const issuer = await createIssuer(worker.config.signing!);
      const { kid } = JSON.parse(
        Buffer.from((await worker.login("alice", PASSWORD)).split(".")[0] ?? "", "base64url").toString(),
      ) as { kid: string };
      const forged = [
        await craft(header, accessClaims(claims), key),
        await craft(header, accessClaims({ ...claims, sid: "not a number" }), key),
        await craft(header, accessClaims({ ...claims, sid: kid, api_key_id: kid }), key),
        issuer.signAccessToken(
          { username: "boss", groups: ["admin"] },
          { grant: { sid: BigInt(kid) }, vhost: "prod", lifetime: 60 },
        ),
        issuer.signAccessToken(
          { username: "boss", groups: ["admin"] },
          { grant: { apiKeyId: 7n }, vhost: "prod", lifetime: 60 },
        ),
      ];
      for (const access_token of forged) assertRefused(await backdoor(access_token), 401, "INVALID_TOKEN");
    });

    test("gets the recorded reply of a request that ended its own session, and nothing else", async () => {
      await using caller = await connectKeyed(worker);
      await worker.addUser("changer", PASSWORD);
      const access_token = await worker.ownToken("changer", PASSWORD);
      const request = { username: "changer", password: "another good password", access_token };
      const first = await caller.call("change-1", "user_change", request);
      dataOf(first);
      assert.deepEqual(await caller.call("change-1", "user_change", request), first);
      const other = { ...request, email: "another@example.com" };
      assertRefused(await caller.call("change-1", "user_change", other), 401, "INVALID_TOKEN");
      assertRefused(await caller.call("change-2", "user_change", request), 401, "INVALID_TOKEN");
    });

    test("gets the recorded reply after it left the admin group by this request, or deleted itself", async () => {
      await using caller = await connectKeyed(worker);
      const { name, access_token } = await hire();
      const leave = { groupname: "admin", username: name, access_token };
      const left = await caller.call("leave-1", "group_remove_user", leave);
      dataOf(left);
      assert.deepEqual(await caller.call("leave-1", "group_remove_user", leave), left);
      const deletion = { username: name, access_token };
      const gone = await caller.call("delete-1", "user_delete", deletion);
      dataOf(gone);
      assert.deepEqual(await caller.call("delete-1", "user_delete", deletion), gone);
    });

    test("has no effect after the reply to its dismissal, in twenty races", async () => {
      const boss = await worker.ownToken("boss", PASSWORD);
      for (let round = 0; round < 20; round++) {
        const { name, access_token } = await hire();
        const attempts = Array.from({ length: 5 }, () => backdoor(access_token));
        const [queue, more, dismissed] =
          round % 2 === 0
            ? (["group_remove_user", { groupname: "admin" }, "group.member_removed"] as const)
            : (["session_revoke", {}, "session.revoked"] as const);
        dataOf(await worker.call(queue, { username: name, access_token: boss, ...more }));
        const late = await Promise.all(Array.from({ length: 3 }, () => backdoor(access_token)));
        for (const { resp_code } of late)
          assert.ok([401, 403].includes(resp_code), `${resp_code} after the dismissal`);
        for (const { resp_code } of await Promise.all(attempts))
          assert.ok([200, 401, 403].includes(resp_code), String(resp_code));
        // A request that was authorized before must not commit later either.
        const events = await worker.db
          .selectFrom("event")
          .select("type")
          .where((is) => is.or([is("actor", "=", name), is("username", "=", name)]))
          .where("type", "in", ["user.created", dismissed])
          .orderBy("seq")
          .execute();
        assert.equal(events.at(-1)?.type, dismissed, JSON.stringify(events));
      }
    });
  });
}

interface Hired {
  readonly name: string;
  readonly id_token: string;
}

test("the tokens of another issuer count as they say", async () => {
  await using worker = await startWorker();
  const access_token = await worker.accessToken("somebody", ["admin"]);
  dataOf(await worker.call("group_create", { groupname: "made", access_token }));
});
