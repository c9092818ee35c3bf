import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { insertGroup, insertMember } from "../../../src/db/queries/groups.ts";
import { lockUser } from "../../../src/db/queries/users.ts";
import { PROCEDURES } from "../../../src/procedures/index.ts";
import { tokenFields } from "../../../src/rpc/procedure.ts";
import type { Worker } from "../../../src/worker.ts";
import { untilBlocked } from "../../support/lock-waits.ts";
import { connectRaw } from "../../support/raw-caller.ts";
import { assertRefused, dataOf } from "../../support/replies.ts";
import {
  challengeOf,
  enrolPasskey,
  enrolTotp,
  freeSteps,
  newUser,
  nextCodeOf,
  optionsOf,
  ORIGIN,
  PASSWORD,
  restartWith,
  secondFactors,
  setupTokenOf,
} from "../../support/second-factor.ts";
import { UNTHROTTLED } from "../../support/unthrottled.ts";
import { DATABASES, startWorker } from "../../support/worker.ts";

const REQUIRING = PROCEDURES.filter(({ requires }) => requires !== undefined);

for (const database of DATABASES) {
  describe(`the policy of second factors on ${database}`, () => {
    test("is off by default: its queues are 403 for everybody, and logins need the password alone", async () => {
      await using worker = await startWorker({ database });
      const access_token = await worker.accessToken("root", ["admin"]);
      assert.equal(REQUIRING.length, 9);
      for (const { name, access, example } of REQUIRING) {
        const token = tokenFields(access).includes("access_token") ? { access_token } : {};
        for (const more of [{}, token])
          assertRefused(await worker.call(name, { ...example.request, ...more }), 403, "SECOND_FACTOR_OFF");
      }
      await newUser(worker, "alice");
    });

    test("without a relying party, the queues of passkeys are 403, and TOTP works", async () => {
      const config = secondFactors({ passkeys: undefined });
      await using worker = await startWorker({ database, config });
      const user = await newUser(worker, "alice");
      for (const { name, requires, example } of REQUIRING)
        if (requires === "passkeys")
          assertRefused(await worker.call(name, { ...example.request, ...user }), 403, "PASSKEYS_OFF");
      const { secret } = await enrolTotp(worker, user);
      const { challenge, methods } = await challengeOf(worker, "alice");
      assert.deepEqual(methods, ["totp", "recovery_code"]);
      dataOf(await worker.call("login_continue", { challenge, totp: nextCodeOf(secret) }));
    });

    test("follows the configuration for users with and without a factor", async () => {
      await using worker = await startWorker({ database, config: secondFactors() });
      let current: Worker = worker.worker;
      const policy = async (app: object): Promise<void> => {
        current = await restartWith({ raw: worker.raw, worker: current }, { ...app });
      };
      try {
        const enrolled = await newUser(worker, "enrolled");
        const totp = await enrolTotp(worker, enrolled);
        await newUser(worker, "without");
        await worker.addUser("finance", PASSWORD, { groups: ["billing", "dev"] });
        await worker.login("finance", PASSWORD);
        const passes = async (username: string): Promise<void> => {
          const { challenge } = await challengeOf(worker, username);
          await freeSteps(worker, totp);
          dataOf(await worker.call("login_continue", { challenge, totp: nextCodeOf(totp.secret) }));
        };
        await passes("enrolled");

        await policy({ second_factor: "off" });
        for (const username of ["enrolled", "without", "finance"]) await worker.login(username, PASSWORD);

        await policy({ second_factor_groups: ["billing", "of-nobody"] });
        await passes("enrolled");
        await worker.login("without", PASSWORD);
        await setupTokenOf(worker, "finance");
        const admin = await worker.accessToken("root", ["admin"]);
        const member = { username: "finance", groupname: "billing", access_token: admin };
        dataOf(await worker.call("group_remove_user", member));
        await worker.login("finance", PASSWORD);
        dataOf(await worker.call("group_add_user", member));
        await setupTokenOf(worker, "finance");

        await policy({ second_factor: "required" });
        await passes("enrolled");
        const setup_token = await setupTokenOf(worker, "without");
        await enrolTotp(worker, { setup_token });
        await challengeOf(worker, "without");
        // An administrator resets the factors: the next login enrols anew.
        dataOf(
          await worker.call("factor_remove", { username: "enrolled", id: totp.id, access_token: admin }),
        );
        await setupTokenOf(worker, "enrolled");

        await policy({ second_factor: "optional" });
        await worker.login("enrolled", PASSWORD);
        await challengeOf(worker, "without");
      } finally {
        await current.stop();
      }
    });

    test("a challenge and a setup token from before the change to off are 403, and good again after it", async () => {
      const config = secondFactors({ second_factor: "required" });
      await using worker = await startWorker({ database, config });
      await worker.addUser("alice", PASSWORD);
      await worker.addUser("bobby", PASSWORD);
      const { secret } = await enrolTotp(worker, { setup_token: await setupTokenOf(worker, "alice") });
      const { challenge } = await challengeOf(worker, "alice");
      const setup_token = await setupTokenOf(worker, "bobby");
      const request = { challenge, totp: nextCodeOf(secret) };
      const off = await restartWith(worker, { second_factor: "off" });
      assertRefused(await worker.call("login_continue", request), 403, "SECOND_FACTOR_OFF");
      assertRefused(await worker.call("totp_begin", { setup_token }), 403, "SECOND_FACTOR_OFF");
      const on = await restartWith({ raw: worker.raw, worker: off }, {});
      dataOf(await worker.call("login_continue", request));
      await enrolTotp(worker, { setup_token });
      await on.stop();
    });

    test("passkeys that are turned off are no way to log in; recovery codes still are", async () => {
      await using worker = await startWorker({ database, config: secondFactors() });
      const user = await newUser(worker, "alice");
      const { device, recovery_codes } = await enrolPasskey(worker, user);
      const before = await challengeOf(worker, "alice");
      const without = await restartWith(worker, { passkeys: undefined });
      const { challenge, methods, passkey_options } = await challengeOf(worker, "alice");
      assert.deepEqual([methods, passkey_options], [["recovery_code"], undefined]);
      const passkey = device.get(optionsOf(before), { origin: ORIGIN });
      const reply = await worker.call("login_continue", { challenge: before.challenge, passkey });
      assertRefused(reply, 401, "INVALID_CREDENTIALS");
      dataOf(await worker.call("login_continue", { challenge, recovery_code: recovery_codes?.[0] }));
      await without.stop();
    });

    test("never applies to service accounts, whatever their groups", async () => {
      const config = secondFactors({ second_factor: "required", second_factor_groups: ["billing"] });
      await using worker = await startWorker({ database, config });
      await worker.addUser("root", PASSWORD, { groups: ["admin"] });
      const { id_token } = await enrolTotp(worker, { setup_token: await setupTokenOf(worker, "root") });
      const { access_token } = dataOf(await worker.call("token", { id_token }));
      await worker.addUser("invoices", PASSWORD, { authType: "SERVICE", groups: ["billing"] });
      const login = (username: string) => worker.call("login", { username, password: PASSWORD });
      assert.deepEqual(await login("invoices"), await login("nobody-here"));
      const request = { username: "invoices", name: "key", access_token };
      const { api_key } = dataOf(await worker.call("api_key_create", request));
      const own = String(dataOf(await worker.call("token", { api_key }))["access_token"]);
      for (const [queue, more] of [
        ["totp_begin", {}],
        ["passkey_begin", {}],
        ["totp_confirm", { totp: "123456" }],
        ["recovery_codes_renew", {}],
      ] as const)
        assertRefused(await worker.call(queue, { access_token: own, ...more }), 403, "FORBIDDEN");
      assert.deepEqual(dataOf(await worker.call("factor_all", { access_token: own })), { factors: [] });
    });

    test("the reply to a wrong password is the same to the byte, with and without a factor or account", async () => {
      const config = secondFactors({ second_factor_groups: ["billing"], login_throttle: UNTHROTTLED });
      await using worker = await startWorker({ database, config });
      await enrolTotp(worker, await newUser(worker, "with-totp"));
      await enrolPasskey(worker, await newUser(worker, "with-key"));
      await newUser(worker, "with-none");
      await worker.addUser("must-enrol", PASSWORD, { groups: ["billing"] });
      await worker.addUser("deactivated", PASSWORD, { activated: false });
      await worker.addUser("a-service", PASSWORD, { authType: "SERVICE" });
      await using caller = await connectRaw(worker.url);
      const replyTo = async (username: string): Promise<string> => {
        const correlationId = randomUUID();
        caller.publish("login", JSON.stringify({ username, password: "wrong horse" }), { correlationId });
        const { content, properties } = await caller.firstReply(correlationId);
        const { contentType, type, appId, headers } = properties as unknown as Record<string, unknown>;
        return `${content.toString("hex")} ${JSON.stringify({ contentType, type, appId, headers })}`;
      };
      const expected = await replyTo("nobody-here");
      for (const username of ["with-totp", "with-key", "with-none", "must-enrol", "deactivated", "a-service"])
        for (let n = 0; n < 2; n++) assert.equal(await replyTo(username), expected, username);
    });
  });
}

test("a user who becomes a member of such a group during the login must enrol a factor", async () => {
  await using worker = await startWorker({
    database: "mysql",
    config: secondFactors({ second_factor_groups: ["billing"] }),
  });
  await worker.addUser("promoted", PASSWORD);
  const { reply } = await worker.db.transaction().execute(async (trx) => {
    await lockUser(trx, "promoted");
    const login = worker.call("login", { username: "promoted", password: PASSWORD });
    await untilBlocked(worker.db); // the password was right, and the login waits for the row lock
    await insertGroup(trx, "billing");
    await insertMember(trx, "billing", "promoted");
    return { reply: login };
  });
  const { resp_code, resp_data } = await reply;
  assert.deepEqual([resp_code, resp_data["error"]], [401, "SECOND_FACTOR_SETUP_REQUIRED"]);
});
