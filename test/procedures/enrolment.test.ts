import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeJwt } from "jose";
import { PROCEDURES } from "../../src/procedures/index.ts";
import { tokenFields } from "../../src/rpc/procedure.ts";
import { Authenticator } from "../support/authenticator.ts";
import { connectKeyed } from "../support/keyed-caller.ts";
import { assertInvalid, assertRefused, dataOf } from "../support/replies.ts";
import {
  accessTokenOf,
  challengeOf,
  codeOf,
  enrolPasskey,
  enrolTotp,
  nextCodeOf,
  optionsOf,
  ORIGIN,
  PASSWORD,
  secondFactors,
  setupTokenOf,
  wrongCodeOf,
} from "../support/second-factor.ts";
import { DATABASES, startWorker, type TestWorker } from "../support/worker.ts";

const FROM = { ip: "192.0.2.7" };

for (const database of DATABASES) {
  describe(`a setup token on ${database}`, () => {
    let worker: TestWorker;
    let admin: string;
    before(async () => {
      worker = await startWorker({ database, config: secondFactors({ second_factor: "required" }) });
      await worker.startReplica();
      admin = await worker.accessToken("root", ["admin"]);
    });
    after(() => worker[Symbol.asyncDispose]());

    /** A new user who must enrol a factor. */
    const newcomer = async (username: string, login: object = FROM) => {
      await worker.addUser(username, PASSWORD);
      return { setup_token: await setupTokenOf(worker, username, login), ...FROM };
    };
    const change = (username: string, changes: object) =>
      worker.call("user_change", { username, access_token: admin, ...changes });

    test("enrols a TOTP, and starts the session of the login", async () => {
      const login = { ...FROM, vhost: "orders", client: "Firefox on Linux" };
      const holder = await newcomer("Alice", login);
      const { id, recovery_codes, id_token, ...rest } = await enrolTotp(worker, holder);
      assert.deepEqual([typeof id, recovery_codes?.length], ["string", 10]);
      assert.deepEqual(Object.keys(rest).toSorted(), ["expires_at", "expires_in", "secret", "usedCode"]);
      const { sub, ip, amr } = decodeJwt(String(id_token));
      assert.deepEqual([sub, ip, amr], ["Alice", FROM.ip, ["pwd", "otp", "mfa"]]);
      const access_token = await accessTokenOf(worker, id_token, FROM);
      const { sessions } = dataOf(await worker.call("session_all", { access_token }));
      const [mine, ...others] = sessions as Record<string, unknown>[];
      assert.deepEqual(others, []);
      assert.deepEqual([mine?.["client"], mine?.["vhost"]], [login.client, login.vhost]);
    });

    test("enrols a passkey, and starts the session of the login", async () => {
      const { id_token, recovery_codes, device } = await enrolPasskey(worker, await newcomer("with-key"));
      assert.equal(recovery_codes?.length, 10);
      assert.deepEqual(decodeJwt(String(id_token))["amr"], ["pwd", "hwk", "mfa"]);
      const { challenge, ...rest } = await challengeOf(worker, "with-key");
      const passkey = device.get(optionsOf(rest), { origin: ORIGIN });
      dataOf(await worker.call("login_continue", { challenge, passkey }));
    });

    test("is issued again for each login, until a factor exists; then the login requests the factor", async () => {
      await newcomer("starting");
      const setup_token = await setupTokenOf(worker, "starting", FROM);
      const { secret } = await enrolTotp(worker, { setup_token, ...FROM });
      const { challenge } = await challengeOf(worker, "starting");
      dataOf(await worker.call("login_continue", { challenge, totp: nextCodeOf(secret) }));
    });

    test("is refused after its use, for every step of an enrolment", async () => {
      const holder = await newcomer("once-only");
      const other = { ...holder, setup_token: await setupTokenOf(worker, "once-only", FROM) };
      const begun = optionsOf(dataOf(await worker.call("passkey_begin", other)));
      await enrolTotp(worker, holder);
      for (const used of [holder, other]) {
        assertRefused(await worker.call("totp_begin", used), 401, "INVALID_TOKEN");
        assertRefused(await worker.call("passkey_begin", used), 401, "INVALID_TOKEN");
        assertRefused(
          await worker.call("totp_confirm", { ...used, totp: "123456" }),
          409,
          "NO_PENDING_FACTOR",
        );
      }
      const credential = new Authenticator().create(begun, { origin: ORIGIN });
      const confirmed = await worker.call("passkey_confirm", { ...other, credential, name: "late" });
      assertRefused(confirmed, 401, "INVALID_TOKEN");
    });

    test("of another login stays useless after the factor was removed", async () => {
      const holder = await newcomer("removed-later");
      const setup_token = await setupTokenOf(worker, "removed-later", FROM);
      const { id } = await enrolTotp(worker, holder);
      const removal = { username: "removed-later", id, access_token: admin };
      dataOf(await worker.call("factor_remove", removal));
      assertRefused(await worker.call("totp_begin", { setup_token, ...FROM }), 401, "INVALID_TOKEN");
      const later = await setupTokenOf(worker, "removed-later", FROM);
      await enrolTotp(worker, { setup_token: later, ...FROM });
    });

    test("ten parallel confirmations start one session", async () => {
      const holder = await newcomer("racing");
      const { secret } = dataOf(await worker.call("totp_begin", holder));
      const request = { ...holder, totp: codeOf(String(secret)) };
      const replies = await Promise.all(
        Array.from({ length: 10 }, () => worker.call("totp_confirm", request)),
      );
      assert.equal(replies.filter(({ resp_code }) => resp_code === 200).length, 1, JSON.stringify(replies));
      const rows = await worker.db.selectFrom("token").selectAll().where("user_id", "=", "racing").execute();
      assert.equal(rows.length, 1);
    });

    test("a replay with the idempotency key returns the same session, although the token is used up", async () => {
      const holder = await newcomer("retrying");
      await using caller = await connectKeyed(worker);
      const { secret } = dataOf(await worker.call("totp_begin", holder));
      const request = { ...holder, totp: codeOf(String(secret)) };
      const first = await caller.call("setup-1", "totp_confirm", request);
      assert.equal(typeof dataOf(first)["id_token"], "string");
      for (let n = 0; n < 4; n++)
        assert.deepEqual(await caller.call("setup-1", "totp_confirm", request), first);
      await accessTokenOf(worker, dataOf(first)["id_token"], FROM);
    });

    test("is bound to the address of the login", async () => {
      const { setup_token } = await newcomer("moving");
      for (const ip of ["192.0.2.8", "*", undefined]) {
        assertRefused(await worker.call("totp_begin", { setup_token, ip }), 401, "INVALID_TOKEN");
        assertRefused(await worker.call("passkey_begin", { setup_token, ip }), 401, "INVALID_TOKEN");
      }
      dataOf(await worker.call("totp_begin", { setup_token, ip: "::ffff:192.0.2.7" }));
      await worker.addUser("anywhere", PASSWORD);
      await enrolTotp(worker, { setup_token: await setupTokenOf(worker, "anywhere"), ip: "192.0.2.99" });
    });

    for (const [what, changes] of Object.entries({
      "a new password": { password: "another good password" },
      "a new email": { email: "elsewhere@example.com" },
      deactivation: { activated: false },
    }))
      test(`is refused after ${what}, at each step`, async () => {
        const username = `changed-${what.replaceAll(" ", "-")}`;
        const holder = await newcomer(username);
        const { secret } = dataOf(await worker.call("totp_begin", holder));
        dataOf(await change(username, changes));
        const confirm = await worker.call("totp_confirm", { ...holder, totp: codeOf(String(secret)) });
        assertRefused(confirm, 401, "INVALID_TOKEN");
        for (const queue of ["totp_begin", "passkey_begin"])
          assertRefused(await worker.call(queue, holder), 401, "INVALID_TOKEN");
      });

    test("is refused for a deleted account, also for a new account of its name", async () => {
      const holder = await newcomer("deleted");
      dataOf(await worker.call("user_delete", { username: "deleted", access_token: admin }));
      assertRefused(await worker.call("totp_begin", holder), 401, "INVALID_TOKEN");
      await worker.addUser("deleted", PASSWORD);
      assertRefused(await worker.call("totp_begin", holder), 401, "INVALID_TOKEN");
    });

    test("is refused by every other queue, in every field, from its address", async () => {
      const { setup_token } = await newcomer("mixed-up");
      for (const { name, access, example } of PROCEDURES)
        for (const field of tokenFields(access)) {
          if (field === "setup_token") continue;
          const request = { ...example.request, ...FROM, [field]: setup_token };
          assertRefused(await worker.call(name, request), 401, "INVALID_TOKEN");
        }
      const { active } = dataOf(await worker.call("introspect", { token: setup_token, ...FROM }));
      assert.equal(active, false);
      const reply = await worker.call("login_continue", {
        challenge: setup_token.slice(0, 90),
        totp: "123456",
        ...FROM,
      });
      assertRefused(reply, 401, "INVALID_CREDENTIALS");
    });

    test("gives no rights over factors: none are listed, removed or renewed", async () => {
      const holder = await newcomer("no-rights");
      for (const [queue, more] of [
        ["factor_all", {}],
        ["factor_remove", { id: "1" }],
        ["recovery_codes_renew", {}],
      ] as const)
        assertRefused(await worker.call(queue, { ...holder, ...more }), 401, "INVALID_TOKEN");
    });

    test("wrong codes start no session, and the right one does", async () => {
      const holder = await newcomer("mistyping");
      const secret = String(dataOf(await worker.call("totp_begin", holder))["secret"]);
      for (let n = 0; n < 3; n++) {
        const reply = await worker.call("totp_confirm", { ...holder, totp: wrongCodeOf(secret, n) });
        assertRefused(reply, 401, "INVALID_CREDENTIALS");
      }
      dataOf(await worker.call("totp_confirm", { ...holder, totp: codeOf(secret) }));
    });

    test("is not one, if another token of this installation or a text takes its place", async () => {
      await worker.addUser("session-holder", PASSWORD);
      const { id_token } = await enrolTotp(worker, {
        setup_token: await setupTokenOf(worker, "session-holder"),
      });
      const access_token = await accessTokenOf(worker, id_token);
      for (const setup_token of [id_token, access_token, "", "x", `${access_token}x`, "x".repeat(40_000)])
        assertRefused(await worker.call("totp_begin", { setup_token, ...FROM }), 401, "INVALID_TOKEN");
      assertRefused(await worker.call("totp_begin", {}), 401, "INVALID_TOKEN");
      for (const setup_token of [7, true, [], {}])
        assertInvalid(await worker.call("totp_begin", { setup_token }), "setup_token");
    });
  });
}
