import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`logout on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({ database });
    });
    after(() => worker[Symbol.asyncDispose]());

    const session = async (username: string, more: object = {}): Promise<string> => {
      await worker.addUser(username, "correct horse");
      return worker.login(username, "correct horse", more);
    };

    test("revokes the ID token for good", async () => {
      const id_token = await session("leaver");
      const { msg, ...rest } = dataOf(await worker.call("logout", { id_token }));
      assert.equal(typeof msg, "string");
      assert.deepEqual(rest, {});
      assertRefused(await worker.call("token", { id_token }), 401, "INVALID_TOKEN");
      assertRefused(await worker.call("logout", { id_token }), 401, "INVALID_TOKEN");
    });

    test("leaves the sessions of others alone, and lets the user log in again", async () => {
      const leaver = await session("leaver-2");
      const other = await session("other-2");
      await worker.call("logout", { id_token: leaver });
      dataOf(await worker.call("token", { id_token: other }));
      const again = await worker.login("leaver-2", "correct horse");
      dataOf(await worker.call("token", { id_token: again }));
    });

    test("needs an ID token", async () => {
      const id_token = await session("holder");
      const accessToken = await worker.accessToken("holder");
      const bad = [undefined, null, "", "no token", accessToken, `${id_token}x`, id_token.slice(0, -4)];
      for (const given of bad) {
        assertRefused(await worker.call("logout", { id_token: given }), 401, "INVALID_TOKEN");
      }
      assertRefused(await worker.call("logout", { access_token: id_token }), 401, "INVALID_TOKEN");
      for (const given of [1, true, [id_token], { id_token }]) {
        assertInvalid(await worker.call("logout", { id_token: given }), "id_token");
      }
      dataOf(await worker.call("token", { id_token }));
    });

    test("takes a token that is bound to an address only from there", async () => {
      const id_token = await session("bound", { ip: "192.0.2.7" });
      for (const ip of [undefined, null, "*", "192.0.2.8", "::192.0.2.7"]) {
        assertRefused(await worker.call("logout", { id_token, ip }), 401, "INVALID_TOKEN");
      }
      assertInvalid(await worker.call("logout", { id_token, ip: "192.0.2.07" }), "ip");
      dataOf(await worker.call("logout", { id_token, ip: "::ffff:192.0.2.7" }));
    });

    test("takes an unbound token from anywhere and ignores unknown fields", async () => {
      const id_token = await session("unbound");
      dataOf(await worker.call("logout", { id_token, ip: "2001:db8::5", username: 1, force: true }));
    });

    test("is open to a holder whose account was turned off", async () => {
      const id_token = await session("turned-off");
      await worker.db
        .updateTable("user")
        .set({ activated: 0 })
        .where("username", "=", "turned-off")
        .execute();
      dataOf(await worker.call("logout", { id_token }));
    });

    test("answers 401 when the user is gone", async () => {
      const id_token = await session("gone");
      await worker.db.deleteFrom("user").where("username", "=", "gone").execute();
      assertRefused(await worker.call("logout", { id_token }), 401, "INVALID_TOKEN");
    });
  });
}
