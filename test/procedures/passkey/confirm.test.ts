import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { assertNeedsAccessToken } from "../../support/access-rules.ts";
import { makeAttestationChain } from "../../support/attestation-chain.ts";
import { Authenticator, type Creation } from "../../support/authenticator.ts";
import { connectKeyed } from "../../support/keyed-caller.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import {
  challengeOf,
  enrolPasskey,
  enrolTotp,
  expire,
  newUser,
  optionsOf,
  ORIGIN,
  secondFactors,
} from "../../support/second-factor.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`passkey_confirm on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({ database, config: secondFactors() });
      await worker.startReplica();
    });
    after(() => worker[Symbol.asyncDispose]());

    const confirm = (request: object) => worker.call("passkey_confirm", { name: "laptop", ...request });
    /** A user who has begun an enrolment, and the credential that the browser has created. */
    const begun = async (username: string, how: Partial<Creation> = {}, device = new Authenticator()) => {
      const user = await newUser(worker, username);
      const options = optionsOf(dataOf(await worker.call("passkey_begin", user)));
      return { user, options, device, credential: device.create(options, { origin: ORIGIN, ...how }) };
    };
    const factorsOf = async (user: object): Promise<Record<string, unknown>[]> =>
      dataOf(await worker.call("factor_all", user))["factors"] as Record<string, unknown>[];

    for (const algorithm of ["ES256", "EdDSA", "RS256"] as const)
      test(`enrols a passkey with ${algorithm}, with ten recovery codes of the first factor`, async () => {
        const username = `user-${algorithm}`;
        const { user, credential, device } = await begun(username, { algorithm });
        const { id, recovery_codes, ...rest } = dataOf(
          await confirm({ ...user, credential, name: "phone 📱" }),
        );
        assert.deepEqual(rest, {});
        assert.equal((recovery_codes as string[]).length, 10);
        const [passkey, codes] = await factorsOf(user);
        assert.deepEqual(
          [passkey?.["id"], passkey?.["type"], passkey?.["name"], passkey?.["last_use"]],
          [id, "passkey", "phone 📱", null],
        );
        assert.equal(codes?.["type"], "recovery_codes");
        const { challenge, ...challenged } = await challengeOf(worker, username);
        const answer = device.get(optionsOf(challenged), { origin: ORIGIN });
        dataOf(await worker.call("login_continue", { challenge, passkey: answer }));
        assert.notEqual((await factorsOf(user))[0]?.["last_use"], null);
      });

    test("enrols several passkeys, without recovery codes from the second on", async () => {
      const user = await newUser(worker, "several");
      const { recovery_codes } = await enrolTotp(worker, user);
      assert.equal(recovery_codes?.length, 10);
      for (const name of ["one", "two", "two"])
        assert.equal((await enrolPasskey(worker, user, undefined, { name })).recovery_codes, undefined);
      const names = (await factorsOf(user)).filter(({ type }) => type === "passkey").map(({ name }) => name);
      assert.deepEqual(names, ["one", "two", "two"]);
    });

    for (const [what, how] of Object.entries<Partial<Creation>>({
      "another origin": { origin: "https://example.org" },
      "another RP id": { rpId: "example.org" },
      "the type of a login": { type: "webauthn.get" },
      "a user who is not present": { present: false },
      "a page in a frame": { crossOrigin: true },
      "a certificate chain": { attestation: makeAttestationChain() },
      "malformed CBOR": { attestationObject: Buffer.alloc(2000, 0x81) },
      "contradicting flags": { eligible: false, backedUp: true },
    }))
      test(`is 401 for a credential of ${what}`, async () => {
        const { user, credential, options, device } = await begun(
          `of-${what.replaceAll(/\W+/g, "-")}`.slice(0, 30),
          how,
        );
        assertRefused(await confirm({ ...user, credential }), 401, "INVALID_CREDENTIALS");
        assert.deepEqual(await factorsOf(user), []);
        // The enrolment goes on.
        dataOf(await confirm({ ...user, credential: device.create(options, { origin: ORIGIN }) }));
      });

    test("is 401 for a challenge that was never issued, or is another user's, and the enrolment goes on", async () => {
      const { user, credential, device, options } = await begun("never-issued", {
        challenge: randomBytes(32).toString("base64url"),
      });
      assertRefused(await confirm({ ...user, credential }), 401, "INVALID_CREDENTIALS");
      const other = await begun("other-one");
      const stolen = { ...user, credential: other.credential };
      assertRefused(await confirm(stolen), 401, "INVALID_CREDENTIALS");
      dataOf(await confirm({ ...user, credential: device.create(options, { origin: ORIGIN }) }));
      dataOf(await confirm({ ...other.user, credential: other.credential }));
    });

    test("is 409 for a challenge that has expired, was used, or is of a login, if no other was begun", async () => {
      const late = await begun("expired-one");
      await expire(worker, String(late.options["challenge"]));
      assertRefused(await confirm({ ...late.user, credential: late.credential }), 409, "NO_PENDING_FACTOR");
      const { user, credential, options, device } = await begun("used-twice");
      dataOf(await confirm({ ...user, credential }));
      assertRefused(await confirm({ ...user, credential }), 409, "NO_PENDING_FACTOR");
      const another = device.create(options, { origin: ORIGIN });
      assertRefused(await confirm({ ...user, credential: another }), 409, "NO_PENDING_FACTOR");
      const { challenge } = await challengeOf(worker, "used-twice");
      const ofLogin = device.create({ ...options, challenge }, { origin: ORIGIN });
      assertRefused(await confirm({ ...user, credential: ofLogin }), 409, "NO_PENDING_FACTOR");
    });

    test("is 409 for the challenge of another user's enrolment, which goes on", async () => {
      const { user, credential } = await begun("rightful");
      const other = await newUser(worker, "thieving");
      assertRefused(await confirm({ ...other, credential }), 409, "NO_PENDING_FACTOR");
      dataOf(await confirm({ ...user, credential }));
    });

    test("is 401 for a credential that is registered, for the same account or another", async () => {
      const credentialId = randomBytes(32);
      const first = await begun("registered", { credentialId });
      dataOf(await confirm({ ...first.user, credential: first.credential }));
      const copy = await begun("imitating", { credentialId });
      assertRefused(await confirm({ ...copy.user, credential: copy.credential }), 401, "INVALID_CREDENTIALS");
      assert.deepEqual(await factorsOf(copy.user), []);
      const options = optionsOf(dataOf(await worker.call("passkey_begin", first.user)));
      const again = first.device.create(options, { origin: ORIGIN, credentialId });
      assertRefused(await confirm({ ...first.user, credential: again }), 401, "INVALID_CREDENTIALS");
    });

    test("an account has at most twenty passkeys", async () => {
      const user = await newUser(worker, "key-ring");
      const ids: string[] = [];
      for (let n = 0; n < 20; n++) ids.push((await enrolPasskey(worker, user)).id);
      const options = optionsOf(dataOf(await worker.call("passkey_begin", user)));
      const credential = new Authenticator().create(options, { origin: ORIGIN });
      assertRefused(await confirm({ ...user, credential }), 409, "TOO_MANY_FACTORS");
      dataOf(await worker.call("factor_remove", { ...user, id: ids[7] }));
      await enrolPasskey(worker, user);
      const next = optionsOf(dataOf(await worker.call("passkey_begin", user)));
      assert.equal((next["excludeCredentials"] as unknown[]).length, 20);
    });

    test("ten parallel confirmations enrol one passkey", async () => {
      const { user, credential } = await begun("racing");
      const replies = await Promise.all(Array.from({ length: 10 }, () => confirm({ ...user, credential })));
      const codes = replies.map(({ resp_code }) => resp_code).toSorted();
      assert.deepEqual(codes, [200, ...new Array<number>(9).fill(409)]);
      assert.equal((await factorsOf(user)).length, 2);
    });

    test("a replay with the idempotency key returns the same id and recovery codes", async () => {
      const { user, credential } = await begun("retrying");
      await using caller = await connectKeyed(worker);
      const request = { ...user, credential, name: "laptop" };
      const first = await caller.call("confirm-1", "passkey_confirm", request);
      assert.equal((dataOf(first)["recovery_codes"] as string[]).length, 10);
      for (let n = 0; n < 4; n++)
        assert.deepEqual(await caller.call("confirm-1", "passkey_confirm", request), first);
      assert.equal((await factorsOf(user)).length, 2);
    });

    test("needs the access token of a session", async () => {
      const { credential } = await begun("authorized");
      await assertNeedsAccessToken(worker, "passkey_confirm", { credential, name: "laptop" });
      const access_token = await worker.accessToken("authorized", ["admin"]);
      assertRefused(await confirm({ access_token, credential }), 403, "FORBIDDEN");
    });

    test("names the fields that are missing, too long or of the wrong type", async () => {
      const { user, credential } = await begun("malformed");
      assertInvalid(await worker.call("passkey_confirm", user), "credential", "name");
      for (const name of [null, 7, "", "x".repeat(101), "line\nbreak"])
        assertInvalid(await confirm({ ...user, credential, name }), "name");
      for (const value of [null, 7, "x", [], true])
        assertInvalid(await confirm({ ...user, credential: value }), "credential");
      const { response } = credential;
      const withResponse = (changes: object) => ({ ...credential, response: { ...response, ...changes } });
      for (const [field, values] of Object.entries({
        clientDataJSON: [undefined, 7, "", "{}", "A".repeat(16_385)],
        attestationObject: [undefined, 7, "", "not base64url!", "A".repeat(16_385)],
        transports: [7, "usb", new Array<string>(11).fill("usb")],
      }))
        for (const value of values)
          assertInvalid(
            await confirm({ ...user, credential: withResponse({ [field]: value }) }),
            `credential.response.${field}`,
          );
      const long = randomBytes(1024).toString("base64url");
      assertInvalid(
        await confirm({ ...user, credential: { ...credential, id: long, rawId: long } }),
        "credential.id",
        "credential.rawId",
      );
      assertInvalid(
        await confirm({ ...user, credential: { ...credential, type: "password" } }),
        "credential.type",
      );
      dataOf(await confirm({ ...user, credential: withResponse({ transports: null }) }));
    });

    test("is 401 for client data that is not JSON", async () => {
      const { user, credential } = await begun("no-json");
      for (const text of ["{", "null", "[]", "{}", '{"challenge":7}']) {
        const clientDataJSON = Buffer.from(text).toString("base64url");
        const changed = { ...credential, response: { ...credential.response, clientDataJSON } };
        assertRefused(await confirm({ ...user, credential: changed }), 401, "INVALID_CREDENTIALS");
      }
    });
  });
}
