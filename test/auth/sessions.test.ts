import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { sql } from "kysely";
import { insertMember, insertGroup } from "../../src/db/queries/groups.ts";
import { toSqlTime } from "../../src/db/time.ts";
import { latestSessionOf } from "../support/session-row.ts";
import { DATABASES, startWorker, type TestWorker } from "../support/worker.ts";
import { waitUntil } from "../support/servers/scratch.ts";

const PASSWORD = "correct horse";

for (const database of DATABASES) {
  describe(`sessions on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({ database });
      await worker.startReplica();
    });
    after(() => worker[Symbol.asyncDispose]());

    /** The codes of concurrent exchanges, which are spread over all replicas. */
    const exchange = async (id_token: string, times = 16): Promise<number[]> => {
      const calls = Array.from({ length: times }, () => worker.call("token", { id_token }));
      return (await Promise.all(calls)).map(({ resp_code }) => resp_code);
    };
    const login = async (username: string, groups: readonly string[] = []): Promise<string> => {
      await worker.addUser(username, PASSWORD, { groups });
      const id_token = await worker.login(username, PASSWORD);
      // Both replicas have verified the token and cache the result.
      assert.deepEqual(new Set(await exchange(id_token)), new Set([200]));
      return id_token;
    };
    const admin = (): Promise<string> => worker.accessToken("root", ["admin"]);

    const ends: Readonly<Record<string, (username: string, id_token: string) => Promise<unknown>>> = {
      "a logout": (_username, id_token) => worker.call("logout", { id_token }),
      "the next login": (username) => worker.login(username, PASSWORD),
      "a revocation by an administrator": async (username) =>
        worker.call("session_revoke", { username, access_token: await admin() }),
      "a new password": async (username) =>
        worker.call("user_change", { username, password: "another one", access_token: await admin() }),
      "a deletion of the account": async (username) =>
        worker.call("user_delete", { username, access_token: await admin() }),
      "a deleted row": (username) => worker.db.deleteFrom("token").where("user_id", "=", username).execute(),
      "an expired row": (username) =>
        worker.db
          .updateTable("token")
          .set({ valid_until: toSqlTime(new Date(Date.now() - 1)) })
          .where("user_id", "=", username)
          .execute(),
    };
    for (const [index, [what, end]] of Object.entries(ends).entries()) {
      test(`${what} takes effect immediately in every replica, although they cache the token`, async () => {
        const username = `ended-${index}`;
        const id_token = await login(username);
        await end(username, id_token);
        assert.deepEqual(new Set(await exchange(id_token)), new Set([401]));
      });
    }

    test("a deactivated account gets no access token from any replica", async () => {
      const id_token = await login("turned-off");
      const access_token = await admin();
      await worker.call("user_change", { username: "turned-off", activated: false, access_token });
      assert.deepEqual(new Set(await exchange(id_token)), new Set([403]));
    });

    test("a new membership is in the next access token of every replica", async () => {
      const id_token = await login("climber");
      await insertGroup(worker.db, "peak");
      await insertMember(worker.db, "peak", "climber");
      for (let turn = 0; turn < 8; turn++) {
        const { resp_data } = await worker.call("token", { id_token });
        const [, payload = ""] = String(resp_data["access_token"]).split(".");
        const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as { groups: string[] };
        assert.deepEqual(claims.groups, ["peak"]);
      }
    });

    test("concurrent requests each get their own reply", async () => {
      const names = Array.from({ length: 40 }, (_, index) => `crowd-${index}`);
      const tokens = await Promise.all(
        names.map(async (name) => {
          await worker.addUser(name, PASSWORD, { groups: [`of-${name}`] });
          return worker.login(name, PASSWORD);
        }),
      );
      const ended = tokens.filter((_, index) => index % 4 === 0);
      await Promise.all(ended.map((id_token) => worker.call("logout", { id_token })));
      const replies = await Promise.all(
        [...tokens, ...tokens].map((id_token) => worker.call("token", { id_token })),
      );
      for (const [index, { resp_code, resp_data }] of replies.entries()) {
        const name = names[index % names.length];
        const wanted = (index % names.length) % 4 === 0 ? 401 : 200;
        assert.equal(resp_code, wanted, `${name}: ${JSON.stringify(resp_data)}`);
        if (resp_code !== 200) continue;
        const [, payload = ""] = String(resp_data["access_token"]).split(".");
        const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as Record<string, unknown>;
        assert.deepEqual([claims["sub"], claims["groups"]], [name, [`of-${name}`]]);
      }
      const accounts = await Promise.all(
        [...names, "nobody-here", ...names].map((username) =>
          worker.call("user_get", { username: username.toUpperCase() }),
        ),
      );
      const found = accounts.map(({ resp_code, resp_data }) =>
        resp_code === 200 ? resp_data["username"] : resp_code,
      );
      assert.deepEqual(found, [...names, 404, ...names]);
    });

    test("a session's first use is written before the reply, later ones within seconds", async () => {
      await worker.addUser("user-once", PASSWORD);
      const id_token = await worker.login("user-once", PASSWORD);
      const lastUse = async (): Promise<number> =>
        (await latestSessionOf(worker.db, "user-once"))?.last_use?.getTime() ?? 0;
      assert.equal(await lastUse(), 0);
      await exchange(id_token, 1);
      const first = await lastUse();
      assert.ok(Math.abs(first - Date.now()) < 60_000, new Date(first).toISOString());
      await exchange(id_token, 1);
      await waitUntil("a later use", async () => (await lastUse()) > first, { seconds: 10 });
    });

    test("a refused request records no use of the session", async () => {
      await using alone = await startWorker({ database });
      const bound = { ip: "192.0.2.1" };
      for (const name of ["used", "fresh"]) await alone.addUser(`${name}-one`, PASSWORD);
      const used = await alone.login("used-one", PASSWORD, bound);
      const fresh = await alone.login("fresh-one", PASSWORD, bound);
      assert.equal((await alone.call("token", { id_token: used, ...bound })).resp_code, 200);
      const uses = async (): Promise<unknown[]> =>
        (await alone.db.selectFrom("token").select("last_use").orderBy("user_id").execute()).map(
          ({ last_use }) => last_use,
        );
      const before = await uses();
      for (const id_token of [used, fresh])
        assert.equal((await alone.call("token", { id_token, ip: "192.0.2.2" })).resp_code, 401);
      await alone.worker.stop(); // writes recorded uses
      assert.deepEqual(await uses(), before);
      assert.equal(before[0], null);
    });

    test("a worker writes recorded uses when it stops", async () => {
      await using alone = await startWorker({ database });
      await alone.addUser("farewell", PASSWORD);
      const id_token = await alone.login("farewell", PASSWORD);
      await alone.call("token", { id_token });
      const first = (await latestSessionOf(alone.db, "farewell"))?.last_use?.getTime() ?? Number.NaN;
      await alone.call("token", { id_token });
      const { resp_data } = await alone.call("user_get", {
        username: "farewell",
        access_token: await alone.accessToken("farewell"),
      });
      const { last_use } = resp_data["token_info"] as { last_use: string };
      assert.ok(Date.parse(last_use) > first, "this worker returns uses that are not written yet");
      await alone.worker.stop();
      const written = (await latestSessionOf(alone.db, "farewell"))?.last_use?.getTime() ?? 0;
      assert.ok(written > first, `${written}, after ${first}`);
    });

    test("uses that cannot be written delay no reply, and are logged", async () => {
      await using alone = await startWorker({ database });
      await alone.addUser("unnoted", PASSWORD);
      const id_token = await alone.login("unnoted", PASSWORD);
      await alone.call("token", { id_token });
      const refuse =
        database === "mysql"
          ? "create trigger refuse before update on token for each row signal sqlstate '45000' set message_text = 'no'"
          : "create trigger refuse before update on token begin select raise(abort, 'no'); end";
      await sql.raw(refuse).execute(alone.db);
      assert.equal((await alone.call("token", { id_token })).resp_code, 200);
      await waitUntil("a line in the log", () =>
        alone.log.some((line) => line.includes("could not store when sessions or API keys were last used")),
      );
      assert.equal((await alone.call("token", { id_token })).resp_code, 200);
    });

    test("a user's groups are sorted, with any characters in their names", async () => {
      const groups = [
        "zebra",
        "Alpha",
        "a-1",
        "quoted",
        "group_2",
        ...Array.from({ length: 200 }, (_, n) => `g${n}`),
      ];
      const id_token = await login("grouped", groups);
      const { resp_data } = await worker.call("token", { id_token });
      const [, payload = ""] = String(resp_data["access_token"]).split(".");
      const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as { groups: string[] };
      assert.deepEqual(claims.groups, groups.toSorted());
    });
  });
}
