import assert from "node:assert/strict";
import type { AttackFixture } from "./fixture.ts";

/** Maximum `retry_after` of an account after `exhaust`, in seconds. */
export const BUSY_FOR = 3601;

const HOUR = 3_600_000;

/** A login without its password. */
interface Guess {
  readonly username: string;
  readonly ip?: string;
}

interface Source {
  readonly failures: number;
  readonly failedAt: number;
}

/** Sends failing logins one at a time, with the key if given, and asserts the expected error of each. */
export async function failures(
  { wire }: AttackFixture,
  request: Guess,
  count: number,
  key?: string,
): Promise<void> {
  for (let guess = 0; guess < count; guess++) {
    const body = Buffer.from(JSON.stringify({ ...request, password: `guess ${guess}` }));
    const id = wire.send("login", body, key === undefined ? {} : { messageId: key });
    const { resp_code } = JSON.parse((await wire.firstReply(id)).content.toString()) as { resp_code: number };
    assert.equal(resp_code, key === undefined ? 401 : 409);
  }
}

/**
 * Fails enough logins that the account's next login is throttled. That would last only a second, which a slow machine
 * may need for the next request: so the last failure is moved one hour ahead.
 */
export async function exhaust(
  fixture: AttackFixture,
  request: Guess,
  more?: number,
  key?: string,
): Promise<void> {
  const { free_failures: free } = fixture.worker.config.app.login_throttle;
  await failures(fixture, request, more ?? free, key);
  const now = Date.now();
  const rows = await fixture.db.selectFrom("login_throttle").select(["account_key", "sources"]).execute();
  const latest = rows
    .map(({ account_key, sources }) => ({ account_key, sources: JSON.parse(sources) as Source[] }))
    .filter(({ sources }) => sources.some(({ failedAt }) => failedAt > 0 && failedAt <= now))
    .sort((a, b) => failedAtOf(b.sources, now) - failedAtOf(a.sources, now))[0];
  if (latest?.sources.some(({ failures: count }) => count === free) !== true)
    throw new Error(`${free} failures were not counted`);
  const moved = latest.sources.map((source) => ({
    ...source,
    failedAt: source.failedAt > 0 ? now + HOUR : 0,
  }));
  await fixture.db
    .updateTable("login_throttle")
    .set({ sources: JSON.stringify(moved) })
    .where("account_key", "=", latest.account_key)
    .execute();
}

/** The time of an account's last failure; ignores times that were moved ahead. */
function failedAtOf(sources: readonly Source[], now: number): number {
  return Math.max(...sources.map(({ failedAt }) => (failedAt <= now ? failedAt : 0)));
}
