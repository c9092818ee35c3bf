import assert from "node:assert/strict";
import { type LogLine, lastLine, linesOf } from "./log-lines.ts";
import { assertRefused } from "./replies.ts";
import type { TestWorker } from "./worker.ts";

const REFUSED = "the directory refused a login";
/** A local user for comparison. */
const LOCAL = "local-one";

/** The usernames of all accounts of a worker. */
export async function usersIn({ db }: TestWorker): Promise<string[]> {
  const rows = await db.selectFrom("user").select("username").orderBy("username").execute();
  return rows.map(({ username }) => username).filter((name) => name !== LOCAL);
}

/**
 * Asserts that a failed login has the same reply as a wrong password of a local user, creates no row, and logs one
 * record with the reason; returns that record.
 */
export async function assertRefusedLogin(
  worker: TestWorker,
  credentials: { readonly username: string; readonly password: string },
  reason: string,
): Promise<LogLine> {
  const { username } = credentials;
  const users = await usersIn(worker);
  const lines = linesOf(worker, REFUSED).length;
  const reply = await worker.call("login", credentials);
  assertRefused(reply, 401, "INVALID_CREDENTIALS");
  assert.deepEqual(reply, await wrongPasswordIn(worker));
  assert.deepEqual(await usersIn(worker), users);
  const line = await lastLine(worker, REFUSED);
  assert.deepEqual([line.level, line["username"], line["reason"]], [30, username, reason], username);
  assert.equal(linesOf(worker, REFUSED).length, lines + 1);
  return line;
}

async function wrongPasswordIn(worker: TestWorker): Promise<unknown> {
  const known = await worker.db.selectFrom("user").select("username").where("username", "=", LOCAL).execute();
  if (known.length === 0) await worker.addUser(LOCAL, "correct horse");
  return worker.call("login", { username: LOCAL, password: "nope" });
}
