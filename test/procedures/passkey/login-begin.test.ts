import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeJwt } from "jose";
import { Authenticator, type Use } from "../../support/authenticator.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import {
  accessTokenOf,
  challengeOf,
  enrolPasskey,
  enrolTotp,
  expire,
  newUser,
  nextCodeOf,
  optionsOf,
  ORIGIN,
  secondFactors,
} from "../../support/second-factor.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`passkey_login_begin on ${database}`, () => {
    let worker: TestWorker;
    let admin: string;
    before(async () => {
      worker = await startWorker({ database, config: secondFactors() });
      await worker.startReplica();
      admin = await worker.accessToken("root", ["admin"]);
    });
    after(() => worker[Symbol.asyncDispose]());

    const begin = async (more: object = {}) => {
      const data = dataOf(await worker.call("passkey_login_begin", more));
      return { challenge: String(data["challenge"]), options: optionsOf(data) };
    };
    const answer = (challenge: string, passkey: object, more: object = {}) =>
      worker.call("login_continue", { challenge, passkey, ...more });
    /** Logs in with a passkey alone. */
    const logIn = async (device: Authenticator, how: Partial<Use> = {}) => {
      const { challenge, options } = await begin();
      return answer(challenge, device.get(options, { origin: ORIGIN, ...how }));
    };

    test("logs in with a passkey alone: the session is that of the request, and says how", async () => {
      const { device } = await enrolPasskey(worker, await newUser(worker, "Alice"));
      const login = { ip: "192.0.2.7", vhost: "orders", client: "Firefox on Linux" };
      const { challenge, options } = await begin(login);
      assert.deepEqual([options["userVerification"], options["allowCredentials"]], ["required", undefined]);
      const reply = await answer(challenge, device.get(options, { origin: ORIGIN }), { ip: "192.0.2.7" });
      const { id_token, expires_at, expires_in, ...rest } = dataOf(reply);
      assert.deepEqual([rest, typeof expires_at, expires_in], [{}, "string", 86_400]);
      const claims = decodeJwt(String(id_token));
      assert.deepEqual([claims.sub, claims["amr"]], ["Alice", ["hwk", "user", "mfa"]]);
      const access_token = await accessTokenOf(worker, id_token, { ip: "192.0.2.7" });
      const { sessions } = dataOf(await worker.call("session_all", { access_token }));
      const mine = (sessions as Record<string, unknown>[]).find(({ current }) => current);
      assert.deepEqual(
        [mine?.["client"], mine?.["ip"], mine?.["vhost"]],
        [login.client, login.ip, login.vhost],
      );
    });

    test("refuses a user who is not verified, and a user handle that is missing or of another user", async () => {
      const { device } = await enrolPasskey(worker, await newUser(worker, "unverified"));
      const other = new Authenticator();
      await enrolPasskey(worker, await newUser(worker, "somebody"), other);
      const { userHandle } = other.get((await begin()).options, { origin: ORIGIN }).response;
      for (const how of [{ verified: false }, { userHandle: null }, { userHandle: userHandle! }])
        assertRefused(await logIn(device, how), 401, "INVALID_CREDENTIALS");
      dataOf(await logIn(device));
    });

    for (const [what, how] of Object.entries<Partial<Use>>({
      "another origin": { origin: "https://example.org" },
      "another RP id": { rpId: "example.org" },
      "another challenge": { challenge: "AAAA" },
      "the type of an enrolment": { type: "webauthn.create" },
      "a page in a frame": { crossOrigin: true },
      "the counter of the enrolment": { counter: 5 },
    }))
      test(`refuses ${what}`, async () => {
        const username = `with-${what.replaceAll(" ", "-")}`.slice(0, 30);
        const { device } = await enrolPasskey(worker, await newUser(worker, username), undefined, {
          counter: 5,
        });
        assertRefused(await logIn(device, how), 401, "INVALID_CREDENTIALS");
        dataOf(await logIn(device));
      });

    test("refuses the passkey of another account under this account's id", async () => {
      const mine = await enrolPasskey(worker, await newUser(worker, "mallory"));
      const theirs = await enrolPasskey(worker, await newUser(worker, "victim"));
      const { challenge, options } = await begin();
      const { response } = theirs.device.get(options, { origin: ORIGIN });
      const forged = mine.device.get(options, {
        origin: ORIGIN,
        id: theirs.device.ids[0]!,
        userHandle: response.userHandle!,
      });
      assertRefused(await answer(challenge, forged), 401, "INVALID_CREDENTIALS");
    });

    test("records a refused answer for the owner of the passkey, and that the account is not activated", async () => {
      const { device } = await enrolPasskey(worker, await newUser(worker, "watched"));
      assertRefused(await logIn(device, { origin: "https://example.org" }), 401, "INVALID_CREDENTIALS");
      await worker.db.updateTable("user").set({ activated: 0 }).where("username", "=", "watched").execute();
      assertRefused(await logIn(device), 403, "ACCOUNT_NOT_ACTIVATED");
      const events = await worker.db
        .selectFrom("event")
        .select("data")
        .where("type", "=", "login.failed")
        .where("username", "=", "watched")
        .orderBy("seq")
        .execute();
      const reasons = events.map(({ data }) => (JSON.parse(data) as { reason: string }).reason);
      assert.deepEqual(reasons, ["second-factor", "not-activated"]);
    });

    test("needs a passkey: a TOTP or recovery code completes no login without a password", async () => {
      const totp = await enrolTotp(worker, await newUser(worker, "no-key"));
      for (const given of [{ totp: nextCodeOf(totp.secret) }, { recovery_code: totp.recovery_codes?.[0] }]) {
        const { challenge } = await begin();
        const reply = await worker.call("login_continue", { challenge, ...given });
        assertRefused(reply, 401, "INVALID_CREDENTIALS");
      }
    });

    test("refuses an unknown passkey like any other wrong answer", async () => {
      const { device } = await enrolPasskey(worker, await newUser(worker, "known-key"));
      const wrong = await logIn(device, { verified: false });
      const stranger = new Authenticator();
      stranger.create(
        { rp: { id: "example.com" }, user: { id: "bm9ib2R5" }, challenge: "AAAA" },
        { origin: ORIGIN },
      );
      assert.deepEqual(await logIn(stranger), wrong);
      assertRefused(wrong, 401, "INVALID_CREDENTIALS");
    });

    test("refuses the answer to a challenge of this queue for a login with a password, and the reverse", async () => {
      const { device } = await enrolPasskey(worker, await newUser(worker, "mixed-up"));
      const alone = await begin();
      const withPassword = await challengeOf(worker, "mixed-up");
      const toAlone = device.get(alone.options, { origin: ORIGIN });
      const toPassword = device.get(optionsOf(withPassword), { origin: ORIGIN });
      assertRefused(await answer(withPassword.challenge, toAlone), 401, "INVALID_CREDENTIALS");
      assertRefused(await answer(alone.challenge, toPassword), 401, "INVALID_CREDENTIALS");
    });

    test("a challenge is for one login, from its address, within its time, and for five answers", async () => {
      const { device } = await enrolPasskey(worker, await newUser(worker, "one-login"));
      const get = (options: object, how: Partial<Use> = {}) =>
        device.get({ ...options }, { origin: ORIGIN, ...how });
      const used = await begin();
      const right = get(used.options);
      dataOf(await answer(used.challenge, right));
      assertRefused(await answer(used.challenge, right), 401, "INVALID_CREDENTIALS");
      assertRefused(await answer(used.challenge, get(used.options)), 401, "INVALID_CREDENTIALS");
      const late = await begin();
      await expire(worker, late.challenge);
      assertRefused(await answer(late.challenge, get(late.options)), 401, "INVALID_CREDENTIALS");
      const bound = await begin({ ip: "192.0.2.7" });
      const elsewhere = { ip: "192.0.2.8" };
      assertRefused(await answer(bound.challenge, get(bound.options), elsewhere), 401, "INVALID_CREDENTIALS");
      const guessed = await begin();
      for (let n = 0; n < 5; n++)
        assertRefused(
          await answer(guessed.challenge, get(guessed.options, { verified: false })),
          401,
          "INVALID_CREDENTIALS",
        );
      assertRefused(await answer(guessed.challenge, get(guessed.options)), 401, "INVALID_CREDENTIALS");
    });

    test("ten parallel answers with the same assertion start one session", async () => {
      for (const counts of [true, false]) {
        const device = new Authenticator({ counts });
        await enrolPasskey(worker, await newUser(worker, `racing-${counts}`), device);
        const { challenge, options } = await begin();
        const passkey = device.get(options, { origin: ORIGIN });
        const replies = await Promise.all(Array.from({ length: 10 }, () => answer(challenge, passkey)));
        const codes = replies.map(({ resp_code }) => resp_code).toSorted();
        assert.deepEqual(codes, [200, ...new Array<number>(9).fill(401)]);
      }
    });

    test("is 403 for a deactivated account and 401 for a deleted one or a removed passkey", async () => {
      const user = await newUser(worker, "resting");
      const { device } = await enrolPasskey(worker, user);
      const second = await enrolPasskey(worker, user);
      dataOf(await worker.call("factor_remove", { ...user, id: second.id }));
      assertRefused(await logIn(second.device), 401, "INVALID_CREDENTIALS");
      const about = { username: "resting", access_token: admin };
      dataOf(await worker.call("user_change", { ...about, activated: false }));
      assertRefused(await logIn(device), 403, "ACCOUNT_NOT_ACTIVATED");
      assertRefused(await logIn(device, { verified: false }), 401, "INVALID_CREDENTIALS");
      dataOf(await worker.call("user_delete", about));
      assertRefused(await logIn(device), 401, "INVALID_CREDENTIALS");
    });

    test("keeps working after a change of the password", async () => {
      const { device } = await enrolPasskey(worker, await newUser(worker, "new-password"));
      const { challenge, options } = await begin();
      const change = { username: "new-password", password: "another good password", access_token: admin };
      dataOf(await worker.call("user_change", change));
      dataOf(await answer(challenge, device.get(options, { origin: ORIGIN })));
    });

    test("names the fields of the wrong type", async () => {
      assertInvalid(
        await worker.call("passkey_login_begin", { ip: 7, vhost: 7, client: 7 }),
        "client",
        "ip",
        "vhost",
      );
      assertInvalid(await worker.call("passkey_login_begin", { client: "x".repeat(101) }), "client");
      await begin({ ip: null, vhost: null, client: null });
    });
  });
}
