import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertNeedsAccessToken } from "../../support/access-rules.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

const PASSWORD = "correct horse battery";

interface Listed {
  readonly sid: string;
  readonly client: string | null;
  readonly current: boolean;
  readonly last_use: string | null;
}

for (const database of DATABASES) {
  describe(`session_all on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({ database, config: { app_config: { sessions_per_user: 3 } } });
      await worker.addUser("alice", PASSWORD);
      await worker.addUser("bobby", PASSWORD);
      await worker.addUser("boss", PASSWORD, { groups: ["admin"] });
    });
    after(() => worker[Symbol.asyncDispose]());

    const list = async (access_token: string, username?: string): Promise<Listed[]> =>
      dataOf(await worker.call("session_all", { access_token, username }))["sessions"] as Listed[];

    test("lists the caller's own sessions by default, the latest used first, with their labels", async () => {
      const phone = await worker.login("alice", PASSWORD, { client: "Phone", ip: "192.0.2.7", vhost: "dev" });
      const laptop = await worker.ownToken("alice", PASSWORD, { client: "Laptop" });
      dataOf(await worker.call("token", { id_token: phone, ip: "192.0.2.7" }));
      const sessions = await list(laptop);
      assert.deepEqual(
        sessions.map(({ client, current }) => [client, current]),
        [
          ["Phone", false],
          ["Laptop", true],
        ],
      );
      const [first] = sessions as unknown as Record<string, unknown>[];
      assert.deepEqual(Object.keys(first ?? {}).toSorted(), [
        ...["client", "created_at", "current", "ip", "last_use", "sid", "valid_until", "vhost"],
      ]);
      assert.deepEqual([first?.["ip"], first?.["vhost"]], ["192.0.2.7", "dev"]);
    });

    test("has null as label and last use of a session that has neither", async () => {
      await worker.login("bobby", PASSWORD);
      const boss = await worker.ownToken("boss", PASSWORD);
      const [session] = await list(boss, "BOBBY");
      assert.deepEqual([session?.client, session?.last_use, session?.current], [null, null, false]);
    });

    test("shows the sessions of others to administrators only", async () => {
      const access_token = await worker.ownToken("bobby", PASSWORD);
      assertRefused(await worker.call("session_all", { access_token, username: "alice" }), 403, "FORBIDDEN");
      assert.equal((await list(await worker.ownToken("boss", PASSWORD), "alice")).length, 2);
    });

    test("omits expired sessions", async () => {
      await worker.addUser("olivia", PASSWORD);
      const access_token = await worker.ownToken("olivia", PASSWORD);
      await worker.login("olivia", PASSWORD);
      const rows = await worker.db
        .selectFrom("token")
        .select("token_id")
        .where("user_id", "=", "olivia")
        .where("last_use", "is", null)
        .execute();
      await worker.db
        .updateTable("token")
        .set({ valid_until: "2020-01-01 00:00:00.000" })
        .where("token_id", "=", BigInt(rows[0]!.token_id))
        .execute();
      assert.equal((await list(access_token)).length, 1);
    });

    test("answers 404 for an unknown user, and 400 for an invalid one", async () => {
      const access_token = await worker.ownToken("boss", PASSWORD);
      const ask = (username: unknown) => worker.call("session_all", { access_token, username });
      assertRefused(await ask("nobody"), 404, "USER_NOT_FOUND");
      for (const username of [1, [], {}, "a b"]) assertInvalid(await ask(username), "username");
    });

    test("needs an access token", async () => {
      await assertNeedsAccessToken(worker, "session_all", {});
    });
  });
}
