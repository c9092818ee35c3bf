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

/** The pino level `error`. */
const ERROR = 50;

/** The suite of all attacks on one database dialect, one at a time. */
export function attackAll(database: DatabaseKind): void {
  test("there are at least 200 attacks with unique names", () => {
    const names = ATTACKS.map(({ name }) => name);
    assert.ok(names.length >= 200, String(names.length));
    assert.deepEqual(
      names.filter((name, index) => names.indexOf(name) !== index),
      [],
    );
  });

  const fixtures = new Map<AttackedInstallation, AttackFixture>();
  const sent: { attack: string; fixture: AttackFixture; id: string; replies: number }[] = [];
  const secrets = new Set<string>();
  before(async () => {
    for (const installation of INSTALLATIONS)
      fixtures.set(installation, await openFixture(database, installation));
  });
  after(async () => {
    for (const fixture of fixtures.values()) await fixture[Symbol.asyncDispose]();
  });

  const keep = (message: unknown): void => {
    for (const secret of secretsIn(message)) secrets.add(secret);
  };

  for (const attack of ATTACKS) {
    test(attack.name, async () => {
      const fixture = fixtures.get(attack.on)!;
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
        assert.ok(
          !secretsIn(scene.request).some((secret) => text.includes(secret)),
          "the reply contains a secret",
        );
        assert.deepEqual(await rowsOf(fixture.db), rows, "a rejected request has changed data");
      }
      await scene.after?.(reply);
    });
  }

  test("after all attacks every queue of every installation still replies", async () => {
    for (const fixture of fixtures.values()) {
      const codes = await callEveryQueue(fixture);
      assert.deepEqual(Object.keys(codes).sort(), queueNames().sort());
      assert.deepEqual([...new Set(Object.values(codes))], [200], JSON.stringify(codes));
    }
  });

  test("after all attacks the session of the tokens that the attacks falsify is still live", async () => {
    for (const { ask, signedAccess } of fixtures.values())
      assert.equal((await ask("user_all", { access_token: signedAccess() })).resp_code, 200);
  });

  test("after all attacks each request has exactly the expected number of replies", () => {
    const wrong = sent.filter(({ fixture, id, replies }) => fixture.wire.countReplies(id) !== replies);
    assert.deepEqual(
      wrong.map(({ attack }) => attack),
      [],
    );
  });

  test("after all attacks no user and no group from a rejected request exists", async () => {
    for (const { db } of fixtures.values()) {
      const users = await db
        .selectFrom("user")
        .select("username")
        .where("username", "like", "never-%")
        .execute();
      const groups = await db.selectFrom("group").select("name").where("name", "like", "never-%").execute();
      assert.deepEqual([users, groups], [[], []]);
    }
  });

  test("after all attacks no log contains an error, a password, a token or a key", () => {
    for (const { worker } of fixtures.values()) {
      assert.notEqual(worker.log.length, 0);
      const errors = worker.log.filter((line) => (JSON.parse(line) as { level: number }).level >= ERROR);
      assert.deepEqual(errors, []);
      const leaking = worker.log.filter(
        (line) => line.includes("PRIVATE KEY") || [...secrets].some((secret) => line.includes(secret)),
      );
      assert.deepEqual(leaking, []);
    }
  });
}

/** The exact properties of every reply. */
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
