import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { digestOfChallenge } from "../../../src/tokens/challenge.ts";
import { assertNeedsAccessToken } from "../../support/access-rules.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { enrolPasskey, newUser, optionsOf, PASSWORD, secondFactors } from "../../support/second-factor.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`passkey_begin on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({ database, config: secondFactors() });
    });
    after(() => worker[Symbol.asyncDispose]());

    const begin = (request: object) => worker.call("passkey_begin", request);

    test("returns options for the browser, with a new challenge each time; the database has its digest only", async () => {
      const user = await newUser(worker, "Alice");
      const data = dataOf(await begin(user));
      assert.deepEqual(Object.keys(data), ["passkey_options"]);
      const { challenge, rp, user: account, timeout, attestation } = optionsOf(data);
      assert.deepEqual(rp, { id: "example.com", name: "Example" });
      assert.deepEqual([timeout, attestation], [300_000, "none"]);
      const { name, id } = account as { name: string; id: string };
      assert.equal(name, "Alice");
      assert.ok(!Buffer.from(id, "base64url").toString().toLowerCase().includes("alice"));
      assert.equal(Buffer.from(String(challenge), "base64url").length, 32);
      const next = optionsOf(dataOf(await begin(user)));
      assert.notEqual(next["challenge"], challenge);
      assert.deepEqual(next["user"], account);
      const rows = await worker.db
        .selectFrom("challenge")
        .selectAll()
        .where("user_id", "=", "Alice")
        .execute();
      const hashes = rows.map(({ challenge_hash }) => Buffer.from(challenge_hash).toString("hex"));
      assert.ok(hashes.includes(digestOfChallenge(String(challenge)).toString("hex")));
    });

    test("excludes the passkeys that the account has", async () => {
      const user = await newUser(worker, "collector");
      const { device } = await enrolPasskey(worker, user, undefined, { transports: ["usb"] });
      const { excludeCredentials } = optionsOf(dataOf(await begin(user)));
      assert.deepEqual(excludeCredentials, [{ id: device.ids[0], type: "public-key", transports: ["usb"] }]);
    });

    test("an enrolment that is only begun is no factor", async () => {
      const user = await newUser(worker, "hesitant");
      dataOf(await begin(user));
      assert.deepEqual(dataOf(await worker.call("factor_all", user)), { factors: [] });
      await worker.login("hesitant", PASSWORD);
    });

    test("needs the access token of a session", async () => {
      await assertNeedsAccessToken(worker, "passkey_begin", {});
      const access_token = await worker.accessToken("Alice", ["admin"]);
      assertRefused(await begin({ access_token }), 403, "FORBIDDEN");
    });

    test("names the fields of the wrong type", async () => {
      const user = await newUser(worker, "malformed");
      assertInvalid(await begin({ ...user, ip: "here" }), "ip");
      assertInvalid(await begin({ setup_token: ["x"] }), "setup_token");
    });
  });
}
