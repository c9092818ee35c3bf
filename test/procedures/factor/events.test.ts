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
      return mine.map(({ body: { type, data } }) => ({ type, ...data })) as Record<string, unknown>[];
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
      const events = await eventsOf("Alice", 14);
      const [first, second] = events
        .filter(({ type }) => type === "recovery_codes.renewed" || type === "factor.added")
        .filter((one) => one["type"] !== "passkey" && one["name"] !== "authenticator app");
      assert.ok(first !== undefined && second !== undefined);
      assert.deepEqual(
        events.map(({ type }) => type),
        events.map(({ type }) => type),
      );
      const text = JSON.stringify(listener.events);
      for (const secret of [totp.secret, challenge, ...(totp.recovery_codes ?? []), ...codes])
        assert.ok(!text.includes(secret), "an event contains a secret");
    });
  });
}
