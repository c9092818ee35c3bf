import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { clearEvents, deleteUnknownUserEvents, findUnpublished } from "../../../src/db/queries/events.ts";
import { toSqlTime } from "../../../src/db/time.ts";
import { deleteExpired } from "../../../src/rpc/cleanup.ts";
import { assertNeedsAdmin } from "../../support/access-rules.ts";
import { assertInvalid, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

interface Entry {
  readonly id: string;
  readonly type: string;
  readonly time: string;
  readonly user?: string;
  readonly actor?: string;
  readonly data: object;
}

for (const database of DATABASES) {
  describe(`audit_log, on ${database}`, () => {
    let worker: TestWorker;
    let access_token: string;
    before(async () => {
      worker = await startWorker({ database, config: { event_settings: { publish: false } } });
      access_token = await worker.accessToken("Chief", ["admin"]);
      await worker.addUser("Mia-Muster", "correct horse");
      for (let index = 0; index < 7; index++)
        dataOf(await worker.call("group_create", { groupname: `g${index}`, access_token }));
      await worker.login("Mia-Muster", "correct horse");
      dataOf(await worker.call("group_add_user", { username: "mia-muster", groupname: "g1", access_token }));
    });
    after(() => worker[Symbol.asyncDispose]());

    const read = async (more: object = {}): Promise<{ events: Entry[]; next?: string }> =>
      dataOf(await worker.call("audit_log", { access_token, ...more })) as { events: Entry[]; next?: string };

    test("lists events newest first, with user and actor", async () => {
      const { events, next } = await read();
      assert.equal(next, undefined);
      assert.deepEqual(
        events.map(({ type }) => type),
        ["group.member_added", "session.started", ...new Array<string>(7).fill("group.created")],
      );
      const { id, time, ...first } = events[0]!;
      assert.deepEqual(first, {
        type: "group.member_added",
        user: "Mia-Muster",
        actor: "Chief",
        data: { groupname: "g1" },
      });
      assert.match(id, /^[0-9a-f-]{36}$/);
      assert.ok(Date.parse(time) > 0, time);
    });

    test("filters by user, case-insensitively", async () => {
      const { events } = await read({ user: "MIA-MUSTER" });
      assert.deepEqual(
        events.map(({ type }) => type),
        ["group.member_added", "session.started"],
      );
      assert.deepEqual((await read({ user: "nobody" })).events, []);
    });

    test("returns pages without gaps or duplicates", async () => {
      const { events: all } = await read();
      const seen: Entry[] = [];
      let after: string | undefined;
      let pages = 0;
      do {
        const page = await read({ limit: 4, ...(after === undefined ? {} : { after }) });
        seen.push(...page.events);
        after = page.next;
        pages++;
      } while (after !== undefined);
      assert.deepEqual(seen, all);
      assert.equal(pages, 3);
    });

    test("rejects invalid cursors and limits", async () => {
      assertInvalid(await worker.call("audit_log", { access_token, after: "nothing" }), "after");
      for (const limit of [0, -1, 1001, 1.5, "5", []])
        assertInvalid(await worker.call("audit_log", { access_token, limit }), "limit");
      assertInvalid(await worker.call("audit_log", { access_token, user: 1 }), "user");
    });

    test("keeps failed logins for unknown usernames for one day only", async () => {
      const types = ["login.failed", "password.reset_requested"] as const;
      for (const username of ["stranger", "Mia-Muster"]) {
        await worker.call("login", { username, password: "x" });
        dataOf(await worker.call("user_password_forgot", { username }));
      }
      const published_at = toSqlTime(new Date());
      await worker.db.updateTable("event").set({ published_at }).where("type", "in", types).execute();
      const ofUsers = async (): Promise<(string | null)[]> => {
        const rows = await worker.db
          .selectFrom("event")
          .select("username")
          .where("type", "in", types)
          .orderBy("seq")
          .execute();
        return rows.map(({ username }) => username);
      };
      assert.deepEqual(await ofUsers(), [null, null, "Mia-Muster", "Mia-Muster"]);
      assert.equal(await deleteUnknownUserEvents(worker.db, new Date(Date.now() - 60_000), 100), 0);
      assert.equal(await deleteUnknownUserEvents(worker.db, new Date(Date.now() + 60_000), 100), 2);
      assert.deepEqual(await ofUsers(), ["Mia-Muster", "Mia-Muster"]);
      await worker.db.deleteFrom("event").where("type", "in", types).execute();
    });

    test("is for admins", () => assertNeedsAdmin(worker, "audit_log", {}));

    test("deletes old events, but none that are not published yet", async () => {
      const ids = (await read()).events.map(({ id }) => id).reverse();
      const [first = "", second = "", third = ""] = ids;
      const published_at = toSqlTime(new Date());
      await worker.db.updateTable("event").set({ published_at }).where("id", "!=", third).execute();
      assert.equal(await clearEvents(worker.db, new Date(Date.now() - 60_000), 100), 0);
      const later = new Date(Date.now() + 60_000);
      assert.equal(await clearEvents(worker.db, later, 1), 1);
      assert.equal(await clearEvents(worker.db, later, 100), 1);
      const left = (await read()).events.map(({ id }) => id).reverse();
      assert.deepEqual(left, ids.slice(2));
      assert.deepEqual(
        [first, second].filter((id) => left.includes(id)),
        [],
      );
    });

    test("deletes old events also if events are not published", async () => {
      dataOf(await worker.call("group_create", { groupname: "unpublished", access_token }));
      assert.notEqual((await findUnpublished(worker.db, 100)).length, 0);
      await deleteExpired(worker.db, worker.config, 2);
      assert.deepEqual(await findUnpublished(worker.db, 100), []);
      assert.equal((await read({ limit: 1 })).events[0]?.type, "group.created");
    });
  });
}
