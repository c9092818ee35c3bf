import assert from "node:assert/strict";
import { createSecretKey, randomBytes } from "node:crypto";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { parseConfig } from "../../src/config/load.ts";
import { type Database, openDatabase } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrate.ts";
import { listParked } from "../../src/db/queries/poison-messages.ts";
import { recordReply } from "../../src/db/queries/inbox.ts";
import { createLogTo, type Log } from "../../src/observability/log.ts";
import { createMetrics } from "../../src/observability/metrics.ts";
import { emptyNotes } from "../../src/observability/request-line.ts";
import { userGet } from "../../src/procedures/user/get.ts";
import type { Services } from "../../src/rpc/context.ts";
import type { Envelope, Incoming } from "../../src/rpc/envelope.ts";
import { createInbox } from "../../src/rpc/inbox.ts";
import { Message } from "../../src/rpc/message.ts";
import { createPoisonGuard } from "../../src/rpc/poison-messages.ts";
import { createFingerprints } from "../../src/tokens/fingerprint.ts";
import { createDatabase, dropDatabase } from "../support/database.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { DATABASES } from "../support/worker.ts";

const metrics = createMetrics();
const fingerprints = createFingerprints(createSecretKey(randomBytes(32)));
const inFlight = {
  isCancelled: (): boolean => false,
  deadline: { isOver: false, left: 9000, beginCommit: () => undefined, endCommit: () => undefined },
  notes: emptyNotes(),
};
/** A replica; `run` handles a message of user_get. */
function createReplica(services: Services, log: Log) {
  const poison = createPoisonGuard(services, log);
  return {
    run(incoming: Incoming, work: () => Promise<Envelope>): Promise<Envelope> {
      const message = new Message("user_get", incoming, fingerprints);
      return poison.guard({ procedure: userGet, message, ...inFlight }, work);
    },
  };
}

const attemptsIn = (db: Database) => db.selectFrom("rpc_attempt").selectAll().execute();

const DONE: Envelope = { resp_code: 200, resp_data: {} };

function message(body: string, redelivered = true): Incoming {
  return {
    body: Buffer.from(body),
    idempotencyKey: undefined,
    properties: ["reply-queue", "correlation"],
    userId: "orders",
    appId: "",
    correlationId: "correlation",
    redelivered,
    receivedAt: new Date(),
    hasExpired: () => false,
    isHeld: async () => true,
    onLost: () => () => undefined,
    isCancelled: async () => false,
  };
}

for (const database of DATABASES) {
  describe(`attempts at a message on ${database}`, () => {
    const open = async () => {
      const server = database === "mysql" ? await createDatabase() : undefined;
      const file = join(scratchFolder, `${randomBytes(6).toString("hex")}.db`);
      const settings = server === undefined ? { dialect: "sqlite", file } : { dialect: "mysql", ...server };
      const config = parseConfig({ db_settings: settings }, { keys: false, env: {}, folder: scratchFolder });
      await migrate(config.db);
      const db = openDatabase(config.db);
      const lines: string[] = [];
      const log = createLogTo({ write: (line) => void lines.push(line) }, "info");
      return {
        db,
        lines,
        /** A replica; the unfinished work of a dropped one is what a crash leaves. */
        replica: () =>
          createReplica({ db, fingerprints, inbox: createInbox(db, metrics), metrics } as Services, log),
        async [Symbol.asyncDispose]() {
          await db.destroy();
          if (server !== undefined) await dropDatabase(server.database);
        },
      };
    };
    const crash = (replica: ReturnType<typeof createReplica>, incoming: Incoming): Promise<void> =>
      new Promise((resolve) => {
        void replica.run(incoming, () => {
          resolve();
          return new Promise<never>(() => undefined);
        });
      });

    test("a message that crashes three processes is parked, without its body", async () => {
      await using fixture = await open();
      await crash(fixture.replica(), message("poison", false));
      await crash(fixture.replica(), message("poison"));
      await crash(fixture.replica(), message("poison"));
      for (let round = 0; round < 2; round++) {
        const fourth = fixture.replica().run(message("poison"), async () => DONE);
        await assert.rejects(fourth, (error: { code?: string; reference?: string }) => {
          assert.equal(error.code, "INTERNAL");
          const log = fixture.lines.join("");
          assert.ok(log.includes(error.reference ?? "none"), `${error.reference}: ${log}`);
          return true;
        });
      }
      const [parked, ...more] = await listParked(fixture.db, 10);
      assert.deepEqual([parked?.queue, parked?.caller, more], ["user_get", "orders", []]);
      assert.equal(parked?.bodyHash.length, 32);
      const rows = JSON.stringify(await fixture.db.selectFrom("rpc_attempt").selectAll().execute());
      for (const text of [rows, fixture.lines.join("")]) assert.doesNotMatch(text, /poison/);
    });

    test("a committed message is never parked, with or without an idempotency key", async () => {
      await using fixture = await open();
      const incoming = message("committed, and then its workers crashed");
      const { key: messageKey } = new Message("user_get", incoming, fingerprints);
      for (const [requestKey, own] of [
        [Buffer.alloc(32, 1), messageKey],
        [messageKey, null],
      ] as const) {
        const answer = {
          bodyHash: messageKey,
          queue: "user_get",
          caller: "",
          redelivered: false,
          respCode: 200,
        };
        await recordReply(fixture.db, {
          ...answer,
          requestKey,
          messageKey: own,
          respData: '{"msg":"done"}',
        });
        for (let crashes = 0; crashes < 2; crashes++) await crash(fixture.replica(), incoming);
        const last = await fixture.replica().run(incoming, async () => DONE);
        assert.deepEqual(last, { resp_code: 200, resp_data: { msg: "done" } });
        await fixture.db.deleteFrom("rpc_attempt").execute();
        await fixture.db.deleteFrom("rpc_inbox").execute();
      }
    });

    test("a harmless message beside one that crashes processes is answered", async () => {
      await using fixture = await open();
      for (const redelivered of [false, true]) {
        const replica = fixture.replica();
        await Promise.all([
          crash(replica, message("harmless", redelivered)),
          crash(replica, message("poison", redelivered)),
        ]);
      }
      // The last attempt runs alone: the harmless message has not started when the poison message crashes the process.
      const third = fixture.replica();
      await crash(third, message("poison"));
      let begun = false;
      void third.run(message("harmless"), async () => {
        begun = true;
        return DONE;
      });
      await sleep(100); // waiting is not observable
      assert.equal(begun, false);
      const fourth = fixture.replica();
      await assert.rejects(fourth.run(message("poison"), async () => DONE));
      const answer = fourth.run(message("harmless"), async () => DONE);
      assert.equal(await answer, DONE);
    });

    test("few second attempts run at once, and the waiting ones are not counted", async () => {
      await using fixture = await open();
      const replica = fixture.replica();
      for (let index = 0; index < 20; index++) void crash(replica, message(`message-${index}`));
      await waitUntil("four attempts", async () => (await attemptsIn(fixture.db)).length === 4);
      await sleep(100); // its absence is not observable
      assert.equal((await attemptsIn(fixture.db)).length, 4);
    });

    test("an attempt that the process survives is not counted, even if it fails", async () => {
      await using fixture = await open();
      const replica = fixture.replica();
      for (let round = 0; round < 6; round++) {
        const failing = replica.run(message("failing"), () =>
          Promise.reject(new Error("the database is down")),
        );
        await assert.rejects(failing, /the database is down/);
      }
      const answer = replica.run(message("failing"), async () => DONE);
      assert.equal(await answer, DONE);
      await waitUntil("no recorded attempt", async () => (await attemptsIn(fixture.db)).length === 0);
    });

    test("an attempt whose channel was lost is not counted", async () => {
      await using fixture = await open();
      let lose = (): void => undefined;
      const onLost = (callback: () => void) => {
        lose = callback;
        return () => undefined;
      };
      for (let round = 0; round < 5; round++) {
        const replica = fixture.replica();
        await crash(replica, { ...message("cut off"), onLost });
        // The same process gets it again before the attempt is deleted.
        await crash(replica, { ...message("cut off"), onLost });
        lose();
        await waitUntil("no recorded attempt", async () => (await attemptsIn(fixture.db)).length === 0);
      }
    });

    test("a first delivery does not use the database", async () => {
      await using fixture = await open();
      await fixture.db.destroy();
      const answer = fixture.replica().run(message("new", false), async () => DONE);
      assert.equal(await answer, DONE);
    });
  });
}
