import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { queueNames } from "../../src/config/queues.ts";
import { bodyOf } from "../support/raw-caller.ts";
import type { DatabaseKind } from "../support/worker.ts";
import type { Attack, AttackContext } from "./attack.ts";
import { ATTACKS } from "./attacks/index.ts";
import type { Envelope } from "./envelopes.ts";
import { callEveryQueue } from "./every-queue.ts";
import { assertReply } from "./matcher.ts";
import { propertiesOf, rowsOf, secretsIn } from "./traces.ts";
import { NO_ID } from "./wire.ts";
import { INSTALLATIONS, type AttackedInstallation, openFixture, type AttackFixture } from "./fixture.ts";

/** pino's number of an error. */
const ERROR = 50;

/** The suite of all attacks on one kind of database, one after the other. */
export function attackAll(database: DatabaseKind): void {
  test("there are at least 200 attacks, each with a name of its own", () => {
    const names = ATTACKS.map(({ name }) => name);
    assert.ok(names.length >= 200, String(names.length));
    assert.deepEqual(
      names.filter((name, index) => names.indexOf(name) !== index),
      [],
    );
  });

  const worlds = new Map<AttackedInstallation, AttackFixture>();
  const sent: { attack: string; fixture: AttackFixture; id: string; replies: number }[] = [];
  const secrets = new Set<string>();
  before(async () => {
    for (const installation of INSTALLATIONS)
      worlds.set(installation, await openFixture(database, installation));
  });
  after(async () => {
    for (const fixture of worlds.values()) await fixture[Symbol.asyncDispose]();
  });

  const keep = (message: unknown): void => {
    for (const secret of secretsIn(message)) secrets.add(secret);
  };

  for (const attack of ATTACKS) {
    test(attack.name, async () => {
      const fixture = worlds.get(attack.on)!;
      const scene = await attack.stage(fixture);
      keep(scene.request);
      const rows = await rowsOf(fixture.db);
      if (scene.reply === "broker") {
        const error = await fixture.wire.sendRefused(attack.queue, bytesOf(scene), scene.properties ?? {});
        assert.match(error.message, /406 \(PRECONDITION-FAILED\)/);
        assert.deepEqual(await rowsOf(fixture.db), rows);
        return;
      }
      const id = send(fixture, attack, scene);
      const expectsReply = scene.reply !== "none";
      sent.push({ attack: attack.name, fixture, id, replies: expectsReply ? 1 : 0 });
      if (!expectsReply) {
        await scene.after?.({ resp_code: 0, resp_data: {} });
        return;
      }
      const message = await fixture.wire.firstReply(id);
      const reply: Envelope = bodyOf(message);
      keep(reply.resp_data);
      assertReply(reply, scene.reply);
      assert.deepEqual(propertiesOf(message), {
        ...REPLY_PROPERTIES,
        ...(id === NO_ID ? {} : { correlationId: id }),
      });
      if (reply.resp_code >= 400) {
        const text = message.content.toString();
        assert.ok(!secretsIn(scene.request).some((secret) => text.includes(secret)), "it repeats a secret");
        assert.deepEqual(await rowsOf(fixture.db), rows, "a refused request has changed something");
      }
      await scene.after?.(reply);
    });
  }

  test("after all attacks every queue of every installation answers", async () => {
    for (const fixture of worlds.values()) {
      const codes = await callEveryQueue(fixture);
      assert.deepEqual(Object.keys(codes).sort(), queueNames().sort());
      assert.deepEqual([...new Set(Object.values(codes))], [200], JSON.stringify(codes));
    }
  });

  test("after all attacks each has had the replies that it may have, and no other", () => {
    const wrong = sent.filter(({ fixture, id, replies }) => fixture.wire.countReplies(id) !== replies);
    assert.deepEqual(
      wrong.map(({ attack }) => attack),
      [],
    );
  });

  test("after all attacks there is no user and no group that was never to be", async () => {
    for (const { db } of worlds.values()) {
      const users = await db
        .selectFrom("user")
        .select("username")
        .where("username", "like", "never-%")
        .execute();
      const groups = await db.selectFrom("group").select("name").where("name", "like", "never-%").execute();
      assert.deepEqual([users, groups], [[], []]);
    }
  });

  test("after all attacks no log has an error, a password, a token or a key in it", () => {
    for (const { worker } of worlds.values()) {
      assert.notEqual(worker.log.length, 0);
      const errors = worker.log.filter((line) => (JSON.parse(line) as { level: number }).level >= ERROR);
      assert.deepEqual(errors, []);
      const told = worker.log.filter(
        (line) => line.includes("PRIVATE KEY") || [...secrets].some((secret) => line.includes(secret)),
      );
      assert.deepEqual(told, []);
    }
  });
}

/** What every reply has, and nothing else. */
const REPLY_PROPERTIES = {
  contentType: "application/json",
  type: "result",
  appId: "authmq",
  deliveryMode: 1,
  headers: {},
};

function send({ wire }: AttackFixture, { queue }: Attack, scene: AttackContext): string {
  const { properties, rawCorrelationId } = scene;
  return rawCorrelationId === undefined
    ? wire.send(queue, bytesOf(scene), properties)
    : wire.sendRaw(queue, bytesOf(scene), rawCorrelationId);
}

function bytesOf({ request }: AttackContext): Uint8Array {
  if (request instanceof Uint8Array) return request;
  return Buffer.from(typeof request === "string" ? request : JSON.stringify(request));
}
