import { hash as digest } from "node:crypto";
import { type RawBuilder, sql } from "kysely";
import type { Config } from "../../src/config/load.ts";
import { type Database, openDatabase } from "../../src/db/database.ts";
import { insertApiKey } from "../../src/db/queries/api-keys.ts";
import { insertGroup, insertMember } from "../../src/db/queries/groups.ts";
import { createUser } from "../../src/db/queries/users.ts";
import { deriveApiKey, digestOfApiKey } from "../../src/tokens/api-key.ts";
import { createIssuer } from "../../src/tokens/issuer.ts";

/** Users that exist before a worker starts, each with a session and in the same number of groups. */
export interface Population {
  readonly users: number;
  readonly groupsEach: number;
  /** The hash of every user's password, "correct horse". */
  readonly hash: Uint8Array;
}

/** The administrator. */
export const ADMIN = "root";

/** Number of users with an API key. */
const KEYS = 100;

/** The first session id. */
const FIRST_TOKEN = 1_000_000_000_000n;

/** Rows of one transaction. */
const PORTION = 50_000;

const digit = sql.raw(Array.from({ length: 10 }, (_, value) => `select ${value} as d`).join(" union all "));

/** Fills an empty database of either dialect. */
export async function populate({ db: config }: Config, population: Population): Promise<void> {
  await using db = openDatabase(config);
  const { users, groupsEach, hash } = population;
  const now = "2026-01-01 00:00:00.000";
  const groups = Array.from({ length: groupsEach }, (_, index) => groupName(index));
  if (groups.length > 0)
    await db
      .insertInto("group")
      .values(groups.map((name) => ({ name })))
      .execute();
  await insertGroup(db, "admin");
  const root = { username: ADMIN, email: null, password_hash: null, auth_type: "SERVICE" } as const;
  await createUser(db, { ...root, activated: true });
  await insertMember(db, "admin", ADMIN);
  await insertSessions(db, now, sql`(select -1 as n) as numbers`);
  // As many digits as the last number has: the join has a row for each number with so many digits.
  const places = Array.from({ length: String(users - 1).length }, (_, place) => place);
  const number = sql.raw(places.map((place) => `n${place}.d * ${10 ** place}`).join(" + "));
  const numbers = sql`select ${number} as n from ${sql.join(places.map((place) => sql`(${digit}) ${sql.raw(`n${place}`)}`))}`;
  for (let from = 0; from < users; from += PORTION) {
    const portion = sql`(${numbers}) as numbers where n >= ${from} and n < ${Math.min(users, from + PORTION)}`;
    await sql`insert into ${sql.table("user")}
      (username, password_hash, auth_type, email, activated, created_at, modified_at)
      select concat('user-', n), ${hash}, 'LOCAL', concat('user-', n, '@example.com'), 1, ${now}, ${now}
      from ${portion}`.execute(db);
    await insertSessions(db, now, portion);
    for (const group of groups)
      await sql`insert into usergroup (username, groupname) select concat('user-', n), ${group} from ${portion}`.execute(
        db,
      );
  }
  await insertApiKeys(db, users);
}

/** Inserts a session for each number; -1 is the administrator. */
async function insertSessions(db: Database, now: string, numbers: RawBuilder<unknown>): Promise<void> {
  await sql`insert into token (token_id, user_id, ip, valid_until, last_use, sign_method, vhost, created_at)
    select ${FIRST_TOKEN} + n, case when n < 0 then ${ADMIN} else concat('user-', n) end, '*',
      '2099-01-01 00:00:00.000', ${now}, 'EdDSA', 'prod', ${now}
    from ${numbers}`.execute(db);
}

/** The API key of a populated user. */
export function apiKeyOf(username: string): string {
  return deriveApiKey({ of: (...parts) => digest("sha256", parts.join(), "buffer") }, username);
}

async function insertApiKeys(db: Database, users: number): Promise<void> {
  const created_at = new Date();
  const key = { groups: null, vhost: "prod", created_at, expires_at: null };
  await db.transaction().execute(async (trx) => {
    for (const username of someUsers(users, KEYS)) {
      const key_hash = Buffer.from(digestOfApiKey(apiKeyOf(username)), "hex");
      await insertApiKey(trx, username, { ...key, id: tokenIdOf(username), key_hash, name: "bench" });
    }
  });
}

/** Names of `some` users, spread evenly over all; those `beside` them are other users, if there are enough. */
export function someUsers(users: number, some: number, beside = 0): string[] {
  const count = Math.min(users, some);
  return Array.from({ length: count }, (_, index) => `user-${Math.floor((index * users) / count) + beside}`);
}

/** The ID token of a populated user. */
export async function idTokenOf({ signing }: Config, username: string, groupsEach: number): Promise<string> {
  if (signing === undefined) throw new Error("a configuration without a signing key");
  const issuer = await createIssuer(signing);
  const groups = Array.from({ length: groupsEach }, (_, index) => groupName(index));
  const { text } = issuer.signIdToken(
    { username, groups },
    {
      tokenId: tokenIdOf(username),
      ip: "*",
      issuedAt: new Date(),
      validUntil: new Date(Date.now() + 86_400_000),
    },
  );
  return text;
}

/** The session id of a populated user. */
export function tokenIdOf(username: string): bigint {
  if (username === ADMIN) return FIRST_TOKEN - 1n;
  return FIRST_TOKEN + BigInt(username.slice("user-".length));
}

/** The name of a populated group. */
export function groupName(index: number): string {
  return `group-${String(index).padStart(3, "0")}`;
}
