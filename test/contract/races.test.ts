import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { DATABASES, startWorker, type TestWorker } from "../support/worker.ts";

for (const database of DATABASES) {
  describe(`concurrent requests to two replicas on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({ database });
      await worker.startReplica();
    });
    after(() => worker[Symbol.asyncDispose]());

    test("30 logins of one user all succeed, and exactly one session stays valid", async () => {
      await worker.addUser("alice", "correct horse");
      const tokens = await Promise.all(
        Array.from({ length: 30 }, () => worker.login("alice", "correct horse")),
      );
      const codes = await Promise.all(
        tokens.map(async (id_token) => (await worker.call("token", { id_token })).resp_code),
      );
      assert.deepEqual(codes.toSorted(), [200, ...Array<number>(29).fill(401)]);
    });

    test("two administrators who remove each other leave one", async () => {
      const access_token = await worker.accessToken("root", ["admin"]);
      const attacks = [
        (username: string) => worker.call("user_delete", { username, access_token }),
        (username: string) => worker.call("user_change", { username, activated: false, access_token }),
        (username: string) =>
          worker.call("group_remove_user", { username, groupname: "admin", access_token }),
      ];
      for (let round = 0; round < 12; round++) {
        const names = [`adam-${round}`, `boss-${round}`] as const;
        for (const name of names) await worker.addUser(name, "correct horse", { groups: ["admin"] });
        // Remove the administrators of the previous round.
        await worker.db.deleteFrom("user").where("username", "not in", names).execute();
        const first = attacks[round % 3]!;
        const second = attacks[(round + 1) % 3]!;
        const codes = (await Promise.all([first(names[0]), second(names[1])])).map(
          ({ resp_code }) => resp_code,
        );
        assert.deepEqual(codes.toSorted(), [200, 409], `round ${round}`);
      }
    });

    test("a username in several spellings is created once", async () => {
      const access_token = await worker.accessToken("root", ["admin"]);
      const names = ["newcomer", "Newcomer", "NEWCOMER", "newComer", "NewComer"];
      const replies = await Promise.all(
        names.map((username, index) =>
          worker.call("user_admin_create", {
            username,
            password: "correct horse",
            email: `newcomer-${index}@example.com`,
            access_token,
          }),
        ),
      );
      assert.deepEqual(replies.map(({ resp_code }) => resp_code).toSorted(), [200, 409, 409, 409, 409]);
    });

    test("a password change revokes every session that started with the old password", async () => {
      for (let round = 0; round < 6; round++) {
        const username = `changer-${round}`;
        await worker.addUser(username, "old password");
        const access_token = await worker.accessToken(username);
        const logins = Array.from({ length: 4 }, () =>
          worker.call("login", { username, password: "old password" }),
        );
        const [change, ...replies] = await Promise.all([
          worker.call("user_change", { username, password: "new password", access_token }),
          ...logins,
        ]);
        assert.equal(change.resp_code, 200);
        for (const { resp_data } of replies) {
          if (resp_data["id_token"] === undefined) continue;
          const reply = await worker.call("token", { id_token: resp_data["id_token"] });
          assert.equal(reply.resp_code, 401);
        }
      }
    });
  });
}
