import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { generateSecret } from "../../src/config/generate-key.ts";
import { readSigningKey } from "../../src/config/keys.ts";
import { toSqlTime } from "../../src/db/time.ts";
import { DATABASES, startWorker, type TestWorker } from "../support/worker.ts";
import { craft, decodePart, secondsFromNow } from "./craft.ts";

const partner = generateSecret("EdDSA");
const partnerKey = readSigningKey({ type: "plain", value: partner.secret }, "EdDSA", ".");

for (const database of DATABASES) {
  describe(`an ID token and its row on ${database}`, () => {
    let worker: TestWorker;
    let idToken: string;
    before(async () => {
      const issuers = [
        { name: "partner", secret: { type: "plain", value: partner.publicKey }, methods: ["EdDSA"] },
      ];
      worker = await startWorker({
        database,
        config: { jwt_validation: issuers as unknown as Record<string, unknown> },
      });
      for (const name of ["alice", "bobby"]) await worker.addUser(name, "correct horse");
    });
    beforeEach(async () => {
      idToken = await worker.login("alice", "correct horse");
    });
    after(() => worker[Symbol.asyncDispose]());

    async function present(token: string, ip?: string): Promise<number> {
      const request = ip === undefined ? { id_token: token } : { id_token: token, ip };
      return (await worker.call("token", request)).resp_code;
    }

    /** The user's token with another header or payload, signed with this installation's key by default. */
    function changed(
      header: Record<string, unknown>,
      payload: Record<string, unknown> = {},
      key = worker.config.signing!.key,
    ): Promise<string> {
      const full = { alg: "EdDSA", ...decodePart(idToken, 0), ...header };
      return craft(full, { ...decodePart(idToken, 1), ...payload }, key);
    }

    async function updateRow(values: { valid_until?: string; sign_method?: string; ip?: string }) {
      await worker.db.updateTable("token").set(values).where("user_id", "=", "alice").execute();
    }

    test("agree after a login", async () => {
      assert.equal(await present(idToken), 200);
      assert.equal(await present(await changed({})), 200, "a token that is signed again");
    });

    test("the id of another user's session is rejected", async () => {
      const { kid } = decodePart(await worker.login("bobby", "correct horse"), 0);
      assert.equal(await present(await changed({ kid })), 401);
    });

    test("a user other than the row's is rejected, even if it exists", async () => {
      assert.equal(await present(await changed({}, { sub: "bobby" })), 401);
      assert.equal(await present(await changed({}, { sub: "nobody" })), 401);
    });

    test("an id that is not the decimal number of a row is rejected", async () => {
      const kid = String(decodePart(idToken, 0)["kid"]);
      for (const wrong of [
        `0${kid}`,
        `+${kid}`,
        ` ${kid}`,
        `${kid} `,
        `${kid}\n`,
        `${kid}.0`,
        `${kid}n`,
        `-${kid}`,
        `0x${BigInt(kid).toString(16)}`,
        "1e3",
        "0",
        "-1",
        "",
        "abc",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        "9".repeat(200),
        String(BigInt(kid) + 2n ** 64n),
        String(BigInt(kid) + 1n),
        Number(kid),
        null,
        undefined,
      ]) {
        assert.equal(await present(await changed({ kid: wrong })), 401, JSON.stringify(wrong));
      }
    });

    test("a token is rejected if its row has another algorithm", async () => {
      await updateRow({ sign_method: "RS256" });
      assert.equal(await present(idToken), 401);
    });

    test("a token is rejected if its row has expired, whatever its exp", async () => {
      await updateRow({ valid_until: toSqlTime(new Date(Date.now() - 1000)) });
      assert.equal(await present(idToken), 401);
      assert.equal(await present(await changed({}, { exp: secondsFromNow(9999) })), 401);
    });

    test("an expired token is rejected, even if its row has not expired, as after a renewal", async () => {
      assert.equal(await present(await changed({}, { exp: secondsFromNow(5) })), 200);
      const id_token = await changed({}, { exp: secondsFromNow(-1) });
      assert.equal(await present(id_token), 401);
      const logout = await worker.call("logout", { id_token });
      assert.equal(logout.resp_code, 401);
      assert.equal(await present(idToken), 200, "the session has not ended");
    });

    test("a session is revoked by a logout", async () => {
      assert.equal((await worker.call("logout", { id_token: idToken })).resp_code, 200);
      assert.equal(await present(idToken), 401);
    });

    test("a session is revoked by the next login", async () => {
      const next = await worker.login("alice", "correct horse");
      assert.equal(await present(idToken), 401);
      assert.equal(await present(next), 200);
    });

    test("a session that is bound to an address is valid only from there, in any notation", async () => {
      const bound = await worker.login("alice", "correct horse", { ip: "2001:DB8:0:0::1" });
      assert.equal(await present(bound, "2001:db8::1"), 200);
      assert.equal(await present(bound, "2001:0db8:0000:0000:0000:0000:0000:0001"), 200);
      for (const ip of [undefined, "*", "2001:db8::2", "192.0.2.1"]) {
        assert.equal(await present(bound, ip), 401, String(ip));
      }
    });

    test("the row's address counts, not the token's", async () => {
      const bound = await worker.login("alice", "correct horse", { ip: "192.0.2.1" });
      const { kid } = decodePart(bound, 0);
      assert.equal(await present(await changed({ kid }, { ip: "*" })), 401);
      assert.equal(await present(await changed({ kid }, { ip: "192.0.2.9" }), "192.0.2.9"), 401);
    });

    test("an ID token of another issuer is rejected", async () => {
      assert.equal(await present(await changed({}, { iss: "partner" }, partnerKey)), 401);
      assert.equal(await present(await changed({}, { iss: "partner" })), 401);
      assert.equal(await present(await changed({}, {}, partnerKey)), 401);
    });

    test("a token of another type is rejected", async () => {
      for (const typ of ["at+jwt", "JWT", undefined]) {
        assert.equal(await present(await changed({ typ })), 401, typ);
      }
      const { resp_data } = await worker.call("token", { id_token: idToken });
      assert.equal(await present(resp_data["access_token"] as string), 401);
    });
  });
}
