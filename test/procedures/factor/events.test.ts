import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { publishedEvent } from "../../../src/schemas/published-events.ts";
import { type EventListener, listenForEvents } from "../../support/event-listener.ts";
import { assertRefused, dataOf } from "../../support/replies.ts";
import {
  challengeOf,
  enrolPasskey,
  enrolTotp,
  newUser,
  nextCodeOf,
  optionsOf,
  ORIGIN,
  secondFactors,
  setupTokenOf,
  wrongCodeOf,
  PASSWORD,
} from "../../support/second-factor.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

/** What other tests check, or what differs each time. */
const LEFT_OUT: readonly string[] = ["username", "sid", "valid_until", "auth_type"];

for (const database of DATABASES) {
  describe(`events of second factors on ${database}`, () => {
    let worker: TestWorker;
    let listener: EventListener;
    let admin: string;
    before(async () => {
      worker = await startWorker({ database, config: secondFactors({ second_factor_groups: ["billing"] }) });
      listener = await listenForEvents(worker.url);
      admin = await worker.accessToken("Chief", ["admin"]);
    });
    after(async () => {
      await listener[Symbol.asyncDispose]();
      await worker[Symbol.asyncDispose]();
    });

    const eventsOf = async (username: string, count: number) => {
      await listener.typesOf(username, count);
      const mine = listener.events.filter(({ body }) => body.subject === username);
      for (const { body } of mine) publishedEvent.parse(body);
      return mine.map(({ body: { type, data } }): Record<string, unknown> => {
        const isLogin = type.startsWith("login.");
        const left = Object.entries(data).filter(
          ([name]) => !LEFT_OUT.includes(name) && (isLogin || !["ip", "vhost"].includes(name)),
        );
        return { event: type, ...Object.fromEntries(left) };
      });
    };

    test("every step of an enrolment, of logins and of a removal is an event, in order, without secrets", async () => {
      const user = await newUser(worker, "Alice");
      const totp = await enrolTotp(worker, user);
      const key = await enrolPasskey(worker, user);
      const from = { ip: "192.0.2.7", vhost: "orders" };
      const { challenge } = await challengeOf(worker, "Alice", from);
      const answer = (given: object) => worker.call("login_continue", { challenge, ip: from.ip, ...given });
      assertRefused(await answer({ totp: wrongCodeOf(totp.secret) }), 401, "INVALID_CREDENTIALS");
      assertRefused(await answer({ recovery_code: "0000-0000-0000-0000" }), 401, "INVALID_CREDENTIALS");
      dataOf(await answer({ recovery_code: totp.recovery_codes?.[0] }));
      const codes = dataOf(await worker.call("recovery_codes_renew", user))["recovery_codes"] as string[];
      dataOf(await worker.call("factor_remove", { ...user, id: key.id }));
      dataOf(await worker.call("factor_remove", { username: "alice", id: totp.id, access_token: admin }));
      const events = await eventsOf("Alice", 13);
      const find = (type: string) => events.find(({ event }) => event === type);
      const codesId = find("recovery_code.used")?.["id"];
      const renewedId = find("recovery_codes.renewed")?.["id"];
      const factor = {
        totp: { id: totp.id, type: "totp", name: "authenticator app" },
        passkey: { id: key.id, type: "passkey", name: "laptop" },
        codes: { id: codesId, type: "recovery_codes", name: "recovery codes" },
        renewed: { id: renewedId, type: "recovery_codes", name: "recovery codes" },
      };
      const failed = { event: "login.failed", ...from, reason: "second-factor" };
      const mine = { actor: "Alice" };
      assert.deepEqual(events, [
        { event: "session.started", amr: ["pwd"], ...mine },
        { event: "factor.added", ...factor.totp, ...mine },
        { event: "factor.added", ...factor.codes, ...mine },
        { event: "factor.added", ...factor.passkey, ...mine },
        { event: "login.challenged", ...from, methods: ["totp", "passkey", "recovery_code"], ...mine },
        failed,
        failed,
        { event: "recovery_code.used", id: codesId, remaining: 9, ...mine },
        { event: "session.started", amr: ["pwd", "otp", "mfa"], ...mine },
        { event: "recovery_codes.renewed", id: renewedId, count: 10, ...mine },
        { event: "factor.removed", ...factor.passkey, ...mine },
        { event: "factor.removed", ...factor.totp, actor: "Chief" },
        { event: "factor.removed", ...factor.renewed, actor: "Chief" },
      ]);
      const text = JSON.stringify(listener.events);
      for (const secret of [totp.secret, challenge, ...(totp.recovery_codes ?? []), ...codes])
        assert.ok(!text.includes(secret), "an event contains a secret");
      // The audit log has the same events, newest first.
      const audit = dataOf(await worker.call("audit_log", { user: "Alice", access_token: admin }));
      assert.deepEqual(
        (audit["events"] as { type: string }[]).map(({ type }) => type),
        events.map(({ event }) => event).toReversed(),
      );
    });

    test("a login that must enrol is challenged, and its session starts with the factor", async () => {
      await worker.addUser("newcomer", PASSWORD, { groups: ["billing"] });
      const { id } = await enrolTotp(worker, { setup_token: await setupTokenOf(worker, "newcomer") });
      const events = await eventsOf("newcomer", 4);
      assert.deepEqual(
        events.map(({ event, type, methods, amr, actor }) => ({ event, type, methods, amr, actor })),
        [
          { event: "login.challenged", methods: [] },
          { event: "factor.added", type: "totp" },
          { event: "factor.added", type: "recovery_codes" },
          { event: "session.started", amr: ["pwd", "otp", "mfa"] },
        ].map((one) => ({ type: undefined, methods: undefined, amr: undefined, actor: "newcomer", ...one })),
      );
      assert.equal(events[1]?.["id"], id);
    });

    test("a used TOTP code and a passkey of another challenge are failed logins, a wrong challenge is none", async () => {
      const user = await newUser(worker, "failing");
      const { secret } = await enrolTotp(worker, user);
      const { device } = await enrolPasskey(worker, user);
      const earlier = await challengeOf(worker, "failing");
      const { challenge } = await challengeOf(worker, "failing");
      const answer = (given: object) => worker.call("login_continue", { challenge, ...given });
      dataOf(await worker.call("login_continue", { challenge: earlier.challenge, totp: nextCodeOf(secret) }));
      const passkey = device.get(optionsOf(earlier), { origin: ORIGIN });
      for (const given of [{ totp: nextCodeOf(secret) }, { passkey }, { challenge: "none", totp: "123456" }])
        assertRefused(await answer(given), 401, "INVALID_CREDENTIALS");
      const events = await eventsOf("failing", 9);
      assert.deepEqual(
        events.slice(4).map(({ event }) => event),
        ["login.challenged", "login.challenged", "session.started", "login.failed", "login.failed"],
      );
    });
  });
}
