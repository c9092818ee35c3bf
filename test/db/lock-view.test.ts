import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import { createDatabase, dropDatabase } from "../support/database.ts";
import { waitUntil } from "../support/servers/scratch.ts";

/** The statement in docs/guides/troubleshoot.md. */
const [, STATEMENT = ""] =
  /```sql\n(select [^`]*sys\.innodb_lock_waits;)\n```/.exec(
    readFileSync(new URL("../../docs/guides/troubleshoot.md", import.meta.url), "utf8"),
  ) ?? [];

test("the documented statement names the session that holds a lock, on MySQL and on MariaDB", async () => {
  const address = await createDatabase();
  const open = () => createConnection(address);
  await using holder = await open();
  await using waiter = await open();
  await using observer = await open();
  await observer.query("create table box (id int primary key)");
  await observer.query("insert into box values (1)");
  await holder.query("begin");
  await holder.query("select * from box for update");
  const waiting = waiter.query("delete from box");
  const row = await waitUntil("the lock wait", async () => {
    const [rows] = await observer.query<RowDataPacket[]>(STATEMENT);
    return rows.find(({ locked_table }) => String(locked_table).includes(address.database));
  });
  const { blocking_pid, waiting_pid, waiting_query, blocking_query } = row;
  assert.deepEqual([blocking_pid, waiting_pid], [holder.threadId, waiter.threadId].map(Number));
  assert.deepEqual([waiting_query, blocking_query], ["delete from box", null]);
  await observer.query(`kill ${String(blocking_pid)}`);
  holder.on("error", () => undefined);
  await waiting;
  await dropDatabase(address.database);
});
