import assert from "node:assert/strict";
import { noteName } from "../../secrets/notes.ts";
import { decodePart } from "../../tokens/craft.ts";
import { attack, type Attack, attacks } from "../attack.ts";
import { INVALID_CREDENTIALS, INVALID_TOKEN, NOT_ACTIVATED, LOGGED_IN } from "../envelopes.ts";
import { assemble, idClaims, unsigned } from "../forge.ts";
import { PASSWORD, untrusted, type AttackFixture } from "../fixture.ts";

/** A bcrypt hash of PASSWORD with cost 4, which a login would accept. */
async function hashOf({ db }: AttackFixture, username: string): Promise<string> {
  const row = await db
    .selectFrom("user")
    .select("password_hash")
    .where("username", "=", username)
    .executeTakeFirst();
  return Buffer.from(row?.password_hash ?? []).toString();
}

const SALT = "abcdefghijklmnopqrstuu";
const DIGEST = "A".repeat(31);

/** Values in a row instead of the hash of its user's password. */
const HASHES: Readonly<Record<string, (good: string) => string | Uint8Array>> = {
  nothing: () => "",
  "a NUL": () => "\0",
  "the password itself": () => PASSWORD,
  "255 bytes of 0xff": () => Buffer.alloc(255, 0xff),
  "a hash that would take days": () => `$2b$31$${SALT}${DIGEST}`,
  "a hash that would take minutes": () => `$2b$20$${SALT}${DIGEST}`,
  "a hash of a cost beyond all": () => `$2b$99$${SALT}${DIGEST}`,
  "the right hash at another cost": (good) => good.replace("$04$", "$05$"),
  "the right hash without its end": (good) => good.slice(0, -1),
  "the right hash and another letter": (good) => `${good}A`,
  "the right hash and a newline": (good) => `${good}\n`,
  "the right hash and a NUL": (good) => `${good}\0`,
  "the right hash of an unknown kind": (good) => good.replace("$2b$", "$2z$"),
  "a hash with characters that bcrypt does not use": () => `$2b$04$${"!".repeat(53)}`,
  "a hash of MD5": () => "$1$abcdefgh$AAAAAAAAAAAAAAAAAAAAAA",
  "argon2id that needs too much memory": () =>
    `$argon2id$v=19$m=4194304,t=1,p=1$${SALT}$${DIGEST}AAAAAAAAAAAA`,
  "argon2id that would take days": () => `$argon2id$v=19$m=262144,t=999,p=1$${SALT}$${DIGEST}AAAAAAAAAAAA`,
  "argon2id with zero passes": () => `$argon2id$v=19$m=64,t=0,p=1$${SALT}$${DIGEST}AAAAAAAAAAAA`,
  "argon2id with more lanes than memory": () => `$argon2id$v=19$m=8,t=1,p=16$${SALT}$${DIGEST}AAAAAAAAAAAA`,
  "argon2id with a short tag": () => `$argon2id$v=19$m=64,t=1,p=1$${SALT}$AAAA`,
};

const hashes = attacks(
  "the right password, while the row of its user contains",
  "login",
  HASHES,
  async (make, fixture) => {
    const { username, password } = await fixture.newUser();
    const password_hash = Buffer.from(make(await hashOf(fixture, username)));
    await fixture.db.updateTable("user").set({ password_hash }).where("username", "=", username).execute();
    return { request: { username, password }, reply: INVALID_CREDENTIALS };
  },
);

const users = [
  ...attacks(
    "the right password for a hash in the row of",
    "login",
    { "a directory user": "LDAP", "a Kerberos user": "KERBEROS" } as const,
    async (auth_type, fixture) => {
      const { username, password } = await fixture.newUser();
      await fixture.db.updateTable("user").set({ auth_type }).where("username", "=", username).execute();
      return { request: { username, password }, reply: INVALID_CREDENTIALS };
    },
  ),
  ...attacks(
    "the right password of a user whose row has activated set to",
    "login",
    { two: 2, "minus one": -1, zero: 0 },
    async (activated, fixture) => {
      const { username, password } = await fixture.newUser();
      await fixture.db.updateTable("user").set({ activated }).where("username", "=", username).execute();
      return { request: { username, password }, reply: NOT_ACTIVATED };
    },
  ),
  attack("a token of a user whose account was created in the far future", "user_change", async (fixture) => {
    const { username } = await fixture.newUser();
    const access_token = await fixture.accessToken(username);
    const created_at = "9999-12-31 23:59:59.999";
    await fixture.db.updateTable("user").set({ created_at }).where("username", "=", username).execute();
    return { request: { username, email: "future@example.com", access_token }, reply: INVALID_TOKEN };
  }),
];

/** Values from the database that an attacker could use as a password. */
const READ: Readonly<Record<string, (fixture: AttackFixture, username: string) => Promise<string>>> = {
  "the stored hash": hashOf,
  "the id of the session": async ({ db }, username) => {
    const row = await db
      .selectFrom("token")
      .select("token_id")
      .where("user_id", "=", username)
      .executeTakeFirst();
    return String(row?.token_id);
  },
  "the latest digest of a request": async ({ db }) => {
    const row = await db
      .selectFrom("rpc_inbox")
      .select("body_hash")
      .orderBy("created_at", "desc")
      .executeTakeFirst();
    return Buffer.from(row?.body_hash ?? []).toString("hex");
  },
};

const read = attacks("a value from the database as a password:", "login", READ, async (find, fixture) => {
  const person = await fixture.newUser();
  await fixture.idToken(person);
  const { username } = person;
  const password = await find(fixture, username);
  // The database contains it legitimately, although it is used as a password here.
  noteName(password);
  return { request: { username, password }, reply: INVALID_CREDENTIALS };
});

async function sessionRow(fixture: AttackFixture): Promise<{ username: string; kid: string }> {
  const person = await fixture.newUser();
  const kid = String(decodePart(await fixture.idToken(person), 0)["kid"]);
  return { username: person.username, kid };
}

const sessions = [
  attack("an ID token of the attacker's key for a session id from the database", "token", async (fixture) => {
    const { username, kid } = await sessionRow(fixture);
    const header = { alg: "EdDSA", typ: "id+jwt", kid };
    const id_token = assemble(header, idClaims({ sub: username }), untrusted.ed25519.sign);
    return { request: { id_token }, reply: INVALID_TOKEN };
  }),
  attack("an unsigned ID token for a row whose algorithm is none", "token", async (fixture) => {
    const { username, kid } = await sessionRow(fixture);
    await fixture.db
      .updateTable("token")
      .set({ sign_method: "none" })
      .where("user_id", "=", username)
      .execute();
    const id_token = assemble({ alg: "none", typ: "id+jwt", kid }, idClaims({ sub: username }), unsigned);
    return { request: { id_token }, reply: INVALID_TOKEN };
  }),
  ...attacks(
    "an ID token for a row whose address is",
    "token",
    { "an empty string": "", "two stars": "**", "a pattern": "%", "any in IPv6": "::" },
    async (ip, fixture) => {
      const person = await fixture.newUser();
      const id_token = await fixture.idToken(person);
      await fixture.db.updateTable("token").set({ ip }).where("user_id", "=", person.username).execute();
      return { request: { id_token }, reply: INVALID_TOKEN };
    },
  ),
  attack("a session row of the attacker, changed to the administrator's", "token", async (fixture) => {
    const { username, kid } = await sessionRow(fixture);
    const admin = await fixture.newUser();
    await fixture.db
      .updateTable("token")
      .set({ user_id: admin.username })
      .where("user_id", "=", username)
      .execute();
    const header = { alg: "EdDSA", typ: "id+jwt", kid };
    const id_token = assemble(header, idClaims({ sub: admin.username }), untrusted.ed25519.sign);
    return { request: { id_token }, reply: INVALID_TOKEN };
  }),
];

const counts = [
  ...attacks(
    "the right password, while the failed logins in the row are",
    "login",
    {
      nothing: "",
      "half a list": "[{",
      "another thing": '{"id":1}',
      "a list of others": "[null,1,[]]",
      "no text": "\0\u001b",
    },
    async (sources, fixture) => {
      const { username, password } = await fixture.newUser();
      const before = await fixture.db.selectFrom("login_throttle").select("account_key").execute();
      const seen = new Set(before.map(({ account_key }) => Buffer.from(account_key).toString("hex")));
      await fixture.ask("login", { username, password: "a guess" });
      const rows = await fixture.db.selectFrom("login_throttle").select("account_key").execute();
      const own = rows.filter(({ account_key }) => !seen.has(Buffer.from(account_key).toString("hex")));
      assert.equal(own.length, 1);
      await fixture.db
        .updateTable("login_throttle")
        .set({ sources })
        .where("account_key", "=", own[0]!.account_key)
        .execute();
      return { request: { username, password }, reply: LOGGED_IN };
    },
  ),
];

/** The attacker reads the database or a backup, or writes rows that a worker would not write. */
export const databaseRows: Attack[] = [...hashes, ...users, ...read, ...sessions, ...counts];
