import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { renameSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import { openDatabase } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrate.ts";
import { inTransaction } from "../../src/db/transaction.ts";
import { newFolder } from "../support/cli.ts";
import { assertRefused } from "../support/replies.ts";
import type { TestWorker } from "../support/worker.ts";
import { assertAllServed, assertAllUnavailable, wrongReplies, startServed } from "./requests.ts";

/** Another process, which holds the file's write lock until it is released. */
const HOLDER = `
  const { DatabaseSync } = require("node:sqlite");
  const database = new DatabaseSync(process.argv[1], { timeout: 10_000 });
  database.exec("begin immediate");
  console.log("held");
  process.stdin.once("data", () => { database.exec("commit"); process.exit(); });
`;

/** A leftover process of a failed test would keep this test file running. */
const holders: ChildProcess[] = [];
after(() => holders.forEach((holder) => holder.kill()));

async function holdWriteLock({ config }: TestWorker): Promise<() => Promise<void>> {
  assert.equal(config.db.dialect, "sqlite");
  const holder = spawn(process.execPath, ["-e", HOLDER, config.db.file], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  holders.push(holder);
  await once(holder.stdout, "data");
  return async () => {
    const exit = once(holder, "exit");
    holder.stdin.write("let go\n");
    await exit;
  };
}

test("a request waits for another process that writes for half a second, then succeeds", async () => {
  await using served = await startServed({});
  const release = await holdWriteLock(served.worker);
  const replies = served.requests.map(([queue, request]) => served.worker.call(queue, request));
  await sleep(500); // retries are not observable
  await release();
  for (const { resp_code } of await Promise.all(replies))
    assert.ok([200, 204].includes(resp_code), String(resp_code));
  assert.deepEqual(wrongReplies(served), []);
});

test("a process that holds the write lock for long makes writes 503, while other requests are answered", async () => {
  await using served = await startServed({});
  const { worker, requests } = served;
  const tokenRequest = requests.find(([queue]) => queue === "token");
  const release = await holdWriteLock(worker);
  let answered = 0;
  // The prefetch of a worker, so that all of them retry.
  const writers = Array.from({ length: 64 }, async () => {
    const reply = await worker.call("token", tokenRequest?.[1]);
    answered++;
    return reply;
  });
  for (let index = 0; index < 10; index++) {
    assert.equal((await worker.call("user_get", { username: "alice" })).resp_code, 200);
    assert.equal(answered, 0, "a read does not wait for the writers");
  }
  for (const reply of await Promise.all(writers)) assertRefused(reply, 503, "UNAVAILABLE");
  await release();
  await assertAllServed(served);
  assert.deepEqual(wrongReplies(served), []);
});

test("a moved database file makes requests 503 without lost writes, and is used again when it is back", async () => {
  await using served = await startServed({});
  const { db } = served.worker.config;
  assert.equal(db.dialect, "sqlite");
  renameSync(db.file, `${db.file}.away`);
  await assertAllUnavailable(served);
  renameSync(`${db.file}.away`, db.file);
  await assertAllServed(served);
  assert.deepEqual(wrongReplies(served), []);
});

test("a full disk is UNAVAILABLE, rolls back, and writes succeed once there is space", async () => {
  const file = join(newFolder(), "authmq.db");
  await migrate({ dialect: "sqlite", file });
  await using db = openDatabase({ dialect: "sqlite", file });
  const insert = (count: number): Promise<void> =>
    inTransaction(db, async (trx) => {
      for (let index = 0; index < count; index++)
        await trx
          .insertInto("group")
          .values({ name: `${index}-${"x".repeat(2000)}` })
          .execute();
    });
  const { rows } = await sql<{ page_count: number }>`pragma page_count`.execute(db);
  await sql.raw(`pragma max_page_count = ${(rows[0]?.page_count ?? 0) + 5}`).execute(db);
  await assert.rejects(insert(100), { name: "AppError", code: "UNAVAILABLE", message: /full/ });
  assert.deepEqual(await db.selectFrom("group").selectAll().execute(), []);
  await sql.raw("pragma max_page_count = 100000").execute(db);
  await insert(100);
});
