import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { createAuth } from "../../src/create-auth.ts";
import { recordEvent } from "../../src/db/queries/events.ts";
import { createLogTo } from "../../src/observability/log.ts";
import { createWorker } from "../../src/worker.ts";
import { closeConnections } from "../support/broker-connections.ts";
import { callManagement } from "../support/rabbitmq.ts";
import { type EventListener, listenForEvents } from "../support/event-listener.ts";
import { connectRaw } from "../support/raw-caller.ts";
import { dataOf } from "../support/replies.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { DATABASES, startWorker, type TestWorker } from "../support/worker.ts";

/** The events that a subscriber received by user, in order of arrival and without duplicates. */
function seenOf({ events }: EventListener): Map<string, string[]> {
  const known = new Set<string>();
  const seen = new Map<string, string[]>();
  for (const { body } of events) {
    if (known.has(body.id)) continue;
    known.add(body.id);
    const user = body.subject ?? "";
    seen.set(user, [...(seen.get(user) ?? []), body.sequence]);
  }
  return seen;
}

async function waitForNone({ db }: TestWorker): Promise<void> {
  await waitUntil(
    "all events to be published",
    async () =>
      (await db.selectFrom("event").select("id").where("published_at", "is", null).execute()).length === 0,
    { seconds: 30 },
  );
}

for (const database of DATABASES) {
  test(`all events of several replicas arrive, in order by user, after lost connections, on ${database}`, async () => {
    await using worker = await startWorker({ database });
    await using listener = await listenForEvents(worker.url);
    await worker.startReplica();
    const access_token = await worker.accessToken("chief", ["admin"]);
    const users = ["anna", "bert", "carl", "dora"];
    for (const name of users) await worker.addUser(name, "correct horse");
    for (const groupname of ["one", "two"])
      dataOf(await worker.call("group_create", { groupname, access_token }));
    const turns = 15;
    const work = users.map(async (username) => {
      for (let turn = 0; turn < turns; turn++) {
        for (const queue of ["group_add_user", "group_remove_user"])
          dataOf(await worker.call(queue, { username, groupname: "one", access_token }));
      }
    });
    const cuts = (async () => {
      for (const count of [20, 60]) {
        await waitUntil("events to go out", () => listener.events.length >= count);
        await closeConnections(worker.vhost, "events");
      }
    })();
    await Promise.all([...work, cuts]);
    await waitForNone(worker);
    const recorded = await worker.db.selectFrom("event").select(["seq", "username"]).orderBy("seq").execute();
    await waitUntil("all", () => [...seenOf(listener).values()].flat().length === recorded.length, {
      seconds: 20,
    });
    for (const name of users) {
      const expected = recorded
        .filter(({ username }) => username === name)
        .map(({ seq }) => String(seq).padStart(19, "0"));
      assert.equal(expected.length, 2 * turns);
      assert.deepEqual(seenOf(listener).get(name), expected);
    }
  });
}

test("events that a full queue rejects are delayed, and replies are not", async () => {
  await using worker = await startWorker();
  const full = { maxLength: 1, arguments: { "x-overflow": "reject-publish" } };
  await using caller = await connectRaw(worker.url);
  const { queue } = await caller.channel.assertQueue("", { exclusive: true, ...full });
  await caller.channel.bindQueue(queue, "auth.events", "#");
  const access_token = await worker.accessToken("chief", ["admin"]);
  for (let index = 0; index < 5; index++)
    dataOf(await worker.call("group_create", { groupname: `group-${index}`, access_token }, 3000));
  await waitUntil("the refusal in the log", () =>
    worker.log.some((line) => line.includes("the broker did not confirm all events")),
  );
  dataOf(await worker.call("group_create", { groupname: "meanwhile", access_token }, 3000));
  await caller.channel.deleteQueue(queue);
  await waitForNone(worker);
});

test("a deleted events exchange is declared again, and its events are published", async () => {
  await using worker = await startWorker();
  await using caller = await connectRaw(worker.url);
  const access_token = await worker.accessToken("chief", ["admin"]);
  dataOf(await worker.call("group_create", { groupname: "before", access_token }));
  await waitForNone(worker);
  await caller.channel.deleteExchange("auth.events");
  dataOf(await worker.call("group_create", { groupname: "meanwhile", access_token }));
  await waitForNone(worker);
  await using listener = await listenForEvents(worker.url);
  dataOf(await worker.call("group_create", { groupname: "afterwards", access_token }));
  await waitUntil("an event", () =>
    listener.events.some(({ body }) => body.data["groupname"] === "afterwards"),
  );
});

test("a worker without permission to declare the exchange uses the existing one", async () => {
  await using worker = await startWorker({ config: { event_settings: { exchange: "amq.topic" } } });
  await using listener = await listenForEvents(worker.url, { exchange: "amq.topic" });
  const access_token = await worker.accessToken("chief", ["admin"]);
  dataOf(await worker.call("group_create", { groupname: "here", access_token }));
  await listener.typesOf(undefined, 1);
});

test("a worker whose connection for events is refused at the start publishes when it is accepted", async () => {
  await using worker = await startWorker();
  await using listener = await listenForEvents(worker.url);
  await worker.worker.stop();
  const limit = `vhost-limits/${worker.vhost}/max-connections`;
  await callManagement("PUT", limit, { value: 4 }); // the client's, the listener's, for requests and for replies
  const lines: string[] = [];
  const log = createLogTo({ write: (line) => void lines.push(line) }, "info");
  const late = await createWorker(worker.config, log);
  try {
    await late.start();
    await waitUntil("the refusal", () => lines.some((line) => line.includes('"purpose":"events"')));
    const data = { groupname: "patient" };
    await recordEvent(worker.db, { type: "group.created", username: null, actor: null, data });
    await callManagement("DELETE", limit);
    await listener.typesOf(undefined, 1);
  } finally {
    await late.stop();
  }
});

test("events recorded without a broker are published by the next worker", async () => {
  await using worker = await startWorker();
  await using listener = await listenForEvents(worker.url);
  await using auth = await createAuth({ config: worker.raw });
  const access_token = await worker.accessToken("chief", ["admin"]);
  await auth.group.create({ groupname: "embedded", access_token });
  await listener.typesOf(undefined, 1);
  assert.equal(listener.events[0]?.body.data["groupname"], "embedded");
});

test("without event_settings.publish no event is published, and the audit log still has it", async () => {
  await using worker = await startWorker({ config: { event_settings: { publish: false } } });
  await using listener = await listenForEvents(worker.url);
  const access_token = await worker.accessToken("chief", ["admin"]);
  dataOf(await worker.call("group_create", { groupname: "silent", access_token }));
  await sleep(600); // longer than the relay's poll interval; a poll leaves no trace to wait for
  assert.deepEqual(listener.events, []);
  const { events } = dataOf(await worker.call("audit_log", { access_token }));
  assert.equal((events as unknown[]).length, 1);
});
