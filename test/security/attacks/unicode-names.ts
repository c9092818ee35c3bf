import assert from "node:assert/strict";
import { attack, type Attack, attacks, pick, type AttackContext } from "../attack.ts";
import {
  doneReply,
  EMAIL_TAKEN,
  FORBIDDEN,
  GROUP_NOT_FOUND,
  INVALID_CREDENTIALS,
  invalid,
  TRAILING_SPACE,
  USER_NOT_FOUND,
  USERNAME_TAKEN,
} from "../envelopes.ts";
import { PASSWORD, type AttackFixture } from "../fixture.ts";

/** An existing name, and one that a database or a language may treat as equal. */
const NEARLY_THE_SAME: Readonly<Record<string, readonly [own: string, other: string]>> = {
  "with an accent": ["emilio", "émilio"],
  "without its accent": ["zoë", "zoe"],
  "with a sharp s": ["strasser", "stra\u00dfer"],
  "with a dotted capital I": ["ingrid", "\u0130ngrid"],
  "with a zero-width space": ["walter", "wal\u200bter"],
  "with a NUL inside": ["quentin", "quen\0tin"],
  "with a trailing space": ["dorothy", "dorothy "],
  "with a Cyrillic letter": ["natasha", "n\u0430tasha"],
};

/** Users with the existing names, created once for each installation. */
const known = new WeakMap<AttackFixture, Set<string>>();

async function make(fixture: AttackFixture, username: string): Promise<void> {
  const names = known.get(fixture) ?? new Set();
  known.set(fixture, names);
  if (names.has(username)) return;
  names.add(username);
  await fixture.newUser({ username });
}

const logins = attacks(
  "a login with another user's password for its name",
  "login",
  NEARLY_THE_SAME,
  async ([own, other], fixture) => {
    await make(fixture, own);
    return { request: { username: other, password: PASSWORD }, reply: INVALID_CREDENTIALS };
  },
  "lax",
);

const reads = attacks(
  "a request for a user by its name",
  "user_get",
  pick(NEARLY_THE_SAME, "with an accent", "with a sharp s", "with a trailing space"),
  async ([own, other], fixture) => {
    await make(fixture, own);
    return { request: { username: other }, reply: USER_NOT_FOUND };
  },
  "lax",
);

/**
 * The user in the token is not the account to change: the names differ, although a database may treat them as equal.
 */
const takeovers = attacks<readonly [own: string, other: string]>(
  "a change of another user's password with a token for its name",
  "user_change",
  {
    ...NEARLY_THE_SAME,
    "with a Kelvin sign, which is a K in NFC": ["kelvin", "\u212aelvin"],
    "in a script that has had capitals since 2018": ["\u10d0\u10d1\u10d2\u10d3", "\u1c90\u1c91\u1c92\u1c93"],
  },
  async ([own, other], fixture) => {
    await make(fixture, own);
    return {
      request: {
        username: own,
        password: "taken over by me",
        access_token: await fixture.accessToken(other),
      },
      reply: FORBIDDEN,
      after: async () => {
        const { resp_code } = await fixture.ask("login", { username: own, password: PASSWORD });
        assert.equal(resp_code, 200);
      },
    };
  },
  "lax",
);

/** Names that differ in more than the case of ASCII letters are different names, and can belong to different users. */
const cases = [
  ...attacks<readonly [taken: string, username: string]>(
    "a registration of a name that resembles a taken one:",
    "user_register",
    {
      "ÄRGER for ärger": ["ärger", "ÄRGER"],
      "Ωmega for ωmega": ["ωmega", "Ωmega"],
      "ИВАН for иван": ["иван", "ИВАН"],
      "muller for müller": ["müller", "muller"],
      "straße for strasse": ["strasse", "straße"],
      "alice.x with a trailing space": ["alice.x", "alice.x "],
      "a dotless ı for i": ["irmak", "ırmak"],
      "full-width letters": ["width", "ｗｉｄｔｈ"],
    },
    async ([taken, username], fixture) => {
      await make(fixture, taken);
      const email = `${fixture.newName()}@example.com`;
      const password = "quite another one";
      return {
        request: { username, password, password_confirm: password, email },
        reply: doneReply(`registered user ${username}`),
        after: async () => {
          const codes = [PASSWORD, password].map((tried) =>
            fixture.ask("login", { username: taken, password: tried }),
          );
          assert.deepEqual(
            (await Promise.all(codes)).map(({ resp_code }) => resp_code),
            [200, 401],
          );
          const access_token = await fixture.accessToken(username);
          const { resp_code } = await fixture.ask("user_delete", { username: taken, access_token });
          assert.equal(resp_code, 403);
        },
      };
    },
    "lax",
  ),
  ...attacks<readonly [taken: string, username: string]>(
    "a registration of a taken name in another normal form:",
    "user_register",
    {
      "é in NFD": ["ren\u00e9e", "REne\u0301e"],
      "é in NFC": ["desire\u0301e", "desir\u00e9e"],
      "a Kelvin sign": ["karol", "\u212aarol"],
    },
    async ([taken, username], fixture) => {
      await make(fixture, taken);
      return {
        request: {
          username,
          password: PASSWORD,
          password_confirm: PASSWORD,
          email: `${fixture.newName()}@example.com`,
        },
        reply: USERNAME_TAKEN,
      };
    },
    "lax",
  ),
  attack(
    "a registration of a taken email, in another case of ASCII letters",
    "user_register",
    async (fixture) => {
      const account = (email: string) => ({
        username: fixture.newName(),
        password: PASSWORD,
        password_confirm: PASSWORD,
        email,
      });
      assert.equal((await fixture.ask("user_register", account("ännE@example.com"))).resp_code, 200);
      return { request: account("ännE@EXAMPLE.com"), reply: EMAIL_TAKEN };
    },
    "lax",
  ),
  attack(
    "a registration with a password that contains the username in another case",
    "user_register",
    {
      request: {
        username: "ärgerlich",
        password: "sehr ÄRGERLICH",
        password_confirm: "sehr ÄRGERLICH",
        email: "a@example.com",
      },
      reply: invalid(["password", "must not contain the username"]),
    },
    "lax",
  ),
];

/** Group names are compared exactly: none of these is the admin group. */
const GROUPS = {
  "admin and a NUL": "admin\0",
  ADMIN: "ADMIN",
  ádmin: "ádmin",
};

async function rootIsAdmin({ db }: AttackFixture): Promise<void> {
  const rows = await db.selectFrom("usergroup").select("groupname").where("username", "=", "root").execute();
  assert.deepEqual(
    rows.map(({ groupname }) => groupname),
    ["admin"],
  );
}

const onGroup = async (groupname: string, fixture: AttackFixture): Promise<AttackContext> => ({
  request: { groupname, username: "root", access_token: await fixture.adminToken() },
  reply: GROUP_NOT_FOUND,
  after: () => rootIsAdmin(fixture),
});

const groups = [
  ...attacks(
    "the deletion of a group whose name resembles the admin group:",
    "group_delete",
    GROUPS,
    onGroup,
    "lax",
  ),
  // MySQL ignores trailing spaces in comparisons.
  ...(["group_create", "group_delete", "group_user", "group_add_user", "group_remove_user"] as const).map(
    (queue) =>
      attack(
        `${queue} of admin and a space`,
        queue,
        async (fixture) => ({
          ...(await onGroup("admin ", fixture)),
          reply: invalid(["groupname", TRAILING_SPACE]),
        }),
        "lax",
      ),
  ),
];

/** Texts with a meaning elsewhere, which are only names here. */
const LITERAL = {
  "SQL that is always true": "alice' OR '1'='1",
  "SQL with a wildcard": "al%",
  "an LDAP wildcard": "al*",
};

const literal = [
  ...attacks(
    "a login as",
    "login",
    LITERAL,
    (username) => ({ request: { username, password: PASSWORD }, reply: INVALID_CREDENTIALS }),
    "lax",
  ),
  attack(
    "a registration whose name is SQL registers that name",
    "user_register",
    (fixture) => {
      const username = "x'), ('root2', 0x00, 'LOCAL', 'x@x', 1); --";
      return {
        request: { username, password: PASSWORD, password_confirm: PASSWORD, email: "sql'@example.com" },
        reply: doneReply(`registered user ${username}`),
        after: async () => {
          const rows = await fixture.db
            .selectFrom("user")
            .selectAll()
            .where("email", "=", "sql'@example.com")
            .execute();
          assert.deepEqual(
            rows.map((row) => [row.username, row.activated]),
            [[username, 0]],
          );
        },
      };
    },
    "lax",
  ),
];

/** The attacker sends names with any characters: each is a different name on every database. */
export const unicodeNames: Attack[] = [...logins, ...reads, ...takeovers, ...cases, ...groups, ...literal];
