import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeJwt } from "jose";
import { publishedEvent } from "../../src/schemas/published-events.ts";
import { type EventListener, listenForEvents } from "../support/event-listener.ts";
import { connectRaw } from "../support/raw-caller.ts";
import { dataOf } from "../support/replies.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { DATABASES, startWorker, type TestWorker } from "../support/worker.ts";

const PASSWORD = "correct horse battery";

for (const database of DATABASES) {
  describe(`an event, on ${database}`, () => {
    let worker: TestWorker;
    let listener: EventListener;
    let access_token: string;
    before(async () => {
      worker = await startWorker({ database, config: { app_config: { allow_registration: true } } });
      listener = await listenForEvents(worker.url);
      access_token = await worker.accessToken("Chief", ["admin"]);
    });
    after(async () => {
      await listener[Symbol.asyncDispose]();
      await worker[Symbol.asyncDispose]();
    });
    const call = async (queue: string, request: object): Promise<Record<string, unknown>> =>
      dataOf(await worker.call(queue, { access_token, ...request }));

    /** Resolves when all events recorded so far have arrived. */
    const allArrived = async (): Promise<void> => {
      // The relay publishes events of different users in one batch in parallel, and the next batch after it.
      for (let turn = 0; turn < 2; turn++) {
        const groupname = `marker-${listener.events.length}`;
        await call("group_create", { groupname });
        await waitUntil("the marker", () =>
          listener.events.some(({ body: { data } }) => data["groupname"] === groupname),
        );
      }
    };

    test("is a persistent CloudEvent in JSON, with its type as routing key and its ID as message ID", async () => {
      await call("group_create", { groupname: "cloud" });
      await listener.typesOf(undefined, 1);
      const received = listener.events.find(({ body }) => body.data["groupname"] === "cloud");
      const { body, ...message } = received!;
      const { id, time, sequence, ...rest } = body;
      assert.deepEqual(message, {
        routingKey: "group.created",
        contentType: "application/cloudevents+json; charset=utf-8",
        messageId: id,
        persistent: true,
      });
      assert.deepEqual(rest, {
        specversion: "1.0",
        source: "authmq",
        type: "group.created",
        datacontenttype: "application/json",
        data: { actor: "Chief", groupname: "cloud" },
      });
      assert.match(id, /^[0-9a-f-]{36}$/);
      assert.match(sequence, /^\d{19}$/);
      assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000, time);
    });

    test("is published for every change of a user, in order, and not for failed or repeated changes", async () => {
      const username = "Wanderer";
      const account = { username, password: PASSWORD, email: "wanderer@example.com" };
      await call("user_register", { ...account, password_confirm: PASSWORD });
      await worker.call("user_register", { ...account, password_confirm: PASSWORD }); // 409
      await call("group_create", { groupname: "walkers" });
      await call("group_add_user", { username, groupname: "walkers" });
      await call("group_add_user", { username, groupname: "walkers" }); // a member already
      await call("group_remove_user", { username, groupname: "walkers" });
      await call("group_remove_user", { username, groupname: "walkers" }); // not a member any more
      await worker.call("login", { username, password: "wrong horse" }); // 401
      const { id_token } = await call("login", { username, password: PASSWORD });
      await call("token", { id_token });
      await call("user_change", { username, password: `${PASSWORD}s` });
      const { id_token: another } = await call("login", { username, password: `${PASSWORD}s` });
      await call("logout", { id_token: another });
      await call("user_change", { username, activated: false });
      await worker.call("login", { username, password: `${PASSWORD}s` }); // 403
      await call("user_delete", { username });
      const events = [
        "user.created",
        "user.verification_requested",
        "group.member_added",
        "group.member_removed",
        "login.failed",
        "session.started",
        "user.changed",
        "session.revoked",
        "session.started",
        "session.revoked",
        "user.changed",
        "login.failed",
        "user.deleted",
      ];
      assert.deepEqual(await listener.typesOf(username, events.length), events);
      await allArrived();
      assert.equal((await listener.typesOf(username, events.length)).length, events.length);
      const sequences = listener.events.map(({ body }) => body.sequence);
      assert.equal(new Set(sequences).size, sequences.length);
      const mine = listener.events.filter(({ body }) => body.subject === username);
      assert.deepEqual(
        mine.map(({ body }) => body.sequence),
        mine.map(({ body }) => body.sequence).toSorted(),
      );
      const dataOfType = (type: string) =>
        mine.filter(({ body }) => body.type === type).map(({ body }) => body.data);
      assert.deepEqual(dataOfType("user.created"), [
        { username, email: account.email, auth_type: "LOCAL", activated: true },
      ]);
      assert.deepEqual(dataOfType("group.member_added"), [
        { username, actor: "Chief", groupname: "walkers" },
      ]);
      assert.deepEqual(dataOfType("login.failed"), [
        { username, reason: "bad-credentials", ip: "*", vhost: "prod" },
        { username, reason: "not-activated", ip: "*", vhost: "prod" },
      ]);
      assert.deepEqual(dataOfType("user.changed"), [
        { username, actor: "Chief", changed: ["password"] },
        { username, actor: "Chief", changed: ["activated"], activated: false },
      ]);
      const [first, second] = [id_token, another].map((text) => decodeJwt(text as string)["sid"]);
      assert.notEqual(first, second);
      assert.deepEqual(
        dataOfType("session.started").map(({ sid }) => sid),
        [first, second],
      );
      assert.deepEqual(dataOfType("session.revoked"), [
        { username, actor: "Chief", sid: first, reason: "password" },
        { username, actor: username, sid: second, reason: "logout" },
      ]);
      assert.deepEqual(dataOfType("user.deleted"), [{ username, actor: "Chief" }]);
    });

    test("is published for a login that ends another session, and for API keys without the key", async () => {
      const username = "Holder";
      await worker.addUser(username, PASSWORD);
      const login = { username, password: PASSWORD };
      const sids = [];
      for (const client of [undefined, "Firefox on Linux"]) {
        const { id_token } = await call("login", { ...login, client });
        sids.push(decodeJwt(id_token as string)["sid"]);
      }
      const { api_key, id } = await call("api_key_create", { username, name: "billing" });
      await call("api_key_revoke", { username, id });
      const events = [
        "session.started",
        "session.revoked",
        "session.started",
        "api_key.created",
        "api_key.revoked",
      ];
      assert.deepEqual(await listener.typesOf(username, events.length), events);
      const mine = listener.events.filter(({ body }) => body.subject === username).map(({ body }) => body);
      assert.ok(!JSON.stringify(mine).includes(api_key as string), "an event contains the API key");
      const dataOfType = (type: string) => mine.filter((one) => one.type === type).map(({ data }) => data);
      assert.deepEqual(dataOfType("session.revoked"), [
        { username, actor: username, sid: sids[0], reason: "limit" },
      ]);
      assert.deepEqual(
        dataOfType("session.started").map(({ sid, client, amr }) => [sid, client, amr]),
        [
          [sids[0], undefined, ["pwd"]],
          [sids[1], "Firefox on Linux", ["pwd"]],
        ],
      );
      for (const type of ["api_key.created", "api_key.revoked"])
        assert.deepEqual(dataOfType(type), [{ username, actor: "Chief", id, name: "billing" }]);
    });

    test("matches the schema of the AsyncAPI document, for all these types", () => {
      for (const { body } of listener.events) assert.deepEqual(publishedEvent.parse(body), body);
      const types = new Set(listener.events.map(({ body }) => body.type));
      assert.ok(types.size >= 11, [...types].join(", "));
    });

    test("does not contain the unknown username of a failed login", async () => {
      const typed = "my-Secret-Password";
      const before = listener.events.length;
      await worker.call("login", { username: typed, password: "x" });
      await call("group_create", { groupname: `after-${typed.length}` });
      await listener.typesOf(undefined, 1);
      const since = listener.events.slice(before);
      assert.ok(!JSON.stringify(since).includes(typed), "the username is in an event");
      const rows = await worker.db.selectFrom("event").selectAll().where("username", "is", null).execute();
      const types = rows.map(({ type }) => type);
      assert.ok(types.includes("login.failed"), types.join(", "));
      assert.ok(!JSON.stringify(rows).includes(typed), "the username is in a row");
    });

    test("is published once for a request that is retried with its idempotency key", async () => {
      await using caller = await connectRaw(worker.url);
      const body = JSON.stringify({ groupname: "created-once", access_token });
      for (const correlationId of ["one", "two"]) {
        caller.publish("group_create", body, { correlationId, messageId: "the-same-key" });
        await caller.firstReply(correlationId);
      }
      await allArrived();
      const published = listener.events.filter(({ body: { data } }) => data["groupname"] === "created-once");
      assert.equal(published.length, 1);
    });

    test("is not recorded for a failed request", async () => {
      const { total } = await worker.db
        .selectFrom("event")
        .select((is) => is.fn.countAll<number | string>().as("total"))
        .executeTakeFirstOrThrow();
      await worker.call("group_create", { access_token, groupname: "cloud" }); // 409
      await worker.call("user_delete", { access_token, username: "nobody-there" }); // 404
      await worker.call("group_delete", { access_token, groupname: "nothing-there" }); // 404
      const after = await worker.db
        .selectFrom("event")
        .select((is) => is.fn.countAll<number | string>().as("total"))
        .executeTakeFirstOrThrow();
      assert.equal(Number(after.total), Number(total));
    });
  });
}
