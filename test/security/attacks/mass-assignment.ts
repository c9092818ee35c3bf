import assert from "node:assert/strict";
import { decodePart } from "../../tokens/craft.ts";
import { attack, type Attack, attacks } from "../attack.ts";
import { doneReply, EXCHANGED, invalid, LOGGED_IN, noToken, REGISTRATION_CLOSED } from "../envelopes.ts";
import { PASSWORD, type AttackFixture } from "../fixture.ts";

/** An account of a kind, with a password. */
async function newAccount(fixture: AttackFixture, auth_type: unknown): Promise<object> {
  const access_token = await fixture.adminToken();
  return {
    username: fixture.newName(),
    password: PASSWORD,
    email: "kind@example.com",
    auth_type,
    access_token,
  };
}

/** Columns and settings that a request might smuggle in; registrations say that they are activated, too. */
const EXTRAS = {
  groups: ["admin"],
  group: "admin",
  admin_group: "everyone",
  is_admin: true,
  isAdmin: true,
  role: "admin",
  auth_type: "KERBEROS",
  password_hash: "$2b$04$abcdefghijklmnopqrstuuAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
  token_id: "1",
  user_id: "root",
  created_at: "2001-01-01T00:00:00.000Z",
  modified_at: "2001-01-01T00:00:00.000Z",
  caller: { username: "root", isAdmin: true },
  session: { username: "root" },
  app: { allow_registration: true },
};

const PROTOTYPE = '"__proto__":{"isAdmin":true,"groups":["admin"]}';
const smuggled = `${JSON.stringify({ ...EXTRAS, activated: true }).slice(0, -1)},${PROTOTYPE}}`;

/** The request's JSON text with all of the extras in it. */
function withExtras(request: object): string {
  return `${JSON.stringify(request).slice(0, -1)},${smuggled.slice(1)}`;
}

async function accountOf({ db }: AttackFixture, username: string) {
  const row = await db
    .selectFrom("user")
    .selectAll()
    .where("username", "=", username)
    .executeTakeFirstOrThrow();
  const memberships = await db.selectFrom("usergroup").selectAll().where("username", "=", username).execute();
  const { auth_type, activated, created_at, email } = row;
  return { auth_type, activated, email, isOld: created_at.startsWith("2001"), groups: memberships.length };
}

const accounts = [
  attack("a registration that makes itself an administrator", "user_register", async (fixture) => {
    const username = fixture.newName();
    const email = `${username}@example.com`;
    return {
      request: withExtras({ username, password: PASSWORD, password_confirm: PASSWORD, email }),
      reply: doneReply(`registered user ${username}`),
      after: async () => {
        const plain = { auth_type: "LOCAL", activated: 1, email, isOld: false, groups: 0 };
        assert.deepEqual(await accountOf(fixture, username), plain);
        assert.equal((await fixture.ask("login", { username, password: PASSWORD })).resp_code, 200);
      },
    };
  }),
  attack(
    "a registration that activates itself where an administrator has to",
    "user_register",
    async (fixture) => {
      const username = fixture.newName();
      const email = `${username}@example.com`;
      return {
        request: withExtras({ username, password: PASSWORD, password_confirm: PASSWORD, email }),
        reply: doneReply(`registered user ${username}`),
        after: async () => {
          assert.equal((await accountOf(fixture, username)).activated, 0);
          assert.equal((await fixture.ask("login", { username, password: PASSWORD })).resp_code, 403);
        },
      };
    },
    "lax",
  ),
  attack("a change of the own email that makes itself an administrator", "user_change", async (fixture) => {
    const { username } = await fixture.newUser();
    const email = `${username}@example.org`;
    const access_token = await fixture.accessToken(username);
    return {
      request: { ...EXTRAS, new_username: "root", username, email, access_token },
      reply: doneReply(`changed user ${username}`),
      after: async () => {
        const plain = { auth_type: "LOCAL", activated: 1, email, isOld: false, groups: 0 };
        assert.deepEqual(await accountOf(fixture, username), plain);
        assert.equal((await fixture.ask("login", { username, password: PASSWORD })).resp_code, 200);
      },
    };
  }),
  attack("a change of nothing but what may not be changed", "user_change", async (fixture) => {
    const { username } = await fixture.newUser();
    return {
      request: { ...EXTRAS, username, access_token: await fixture.accessToken(username) },
      reply: invalid(["", "give at least one of password, email and activated"]),
    };
  }),
];

const sessions = [
  attack("a login that asks for more groups", "login", async (fixture) => {
    const { username, password } = await fixture.newUser();
    return {
      request: withExtras({ username, password }),
      reply: LOGGED_IN,
      after: async ({ resp_data }) => {
        const { groups, sub } = decodePart(String(resp_data["id_token"]), 1);
        assert.deepEqual([groups, sub], [[], username]);
      },
    };
  }),
  attack(
    "an exchange that asks for more groups, another vhost and a longer life",
    "token",
    async (fixture) => {
      const person = await fixture.newUser();
      const id_token = await fixture.idToken(person);
      const wishes = {
        vhost: "/",
        lifetime: 99_999,
        exp: 9_999_999_999,
        aud: "everyone",
        sub: "root",
        user: "root",
      };
      return {
        // Of the extras only `groups` is a field: none of the groups that the user does not have.
        request: withExtras({ id_token, ...wishes }).replace('"groups":["admin"],', '"groups":[],'),
        reply: EXCHANGED,
        after: async ({ resp_data }) => {
          const { groups, sub, user, vhost, iat, exp, aud } = decodePart(
            String(resp_data["access_token"]),
            1,
          );
          const { username } = person;
          assert.deepEqual([groups, sub, user, vhost, aud], [[], username, username, "prod", undefined]);
          assert.equal(Number(exp) - Number(iat), 300);
        },
      };
    },
  ),
  attack("an exchange for a group that the user is not in", "token", async (fixture) => ({
    request: withExtras({ id_token: await fixture.idToken(await fixture.newUser({ groups: ["dev"] })) }),
    reply: invalid(["groups", "must be groups of the account; item 1 is not"]),
  })),
  attack("a request for users that brings its caller along", "user_all", {
    request: withExtras({ username: "root" }),
    reply: noToken("access_token"),
  }),
  attack("a request that hides its token in __proto__", "user_all", async ({ adminToken }) => ({
    request: `{"__proto__":{"access_token":"${await adminToken()}"}}`,
    reply: noToken("access_token"),
  })),
];

const kinds = [
  ...attacks(
    "an account whose auth_type is",
    "user_admin_create",
    {
      ADMIN: "ADMIN",
      "local in small letters": "local",
      "the empty text": "",
      "a list": ["LOCAL"],
      "a prototype member": "__proto__",
    },
    async (auth_type, fixture) => ({
      request: await newAccount(fixture, auth_type),
      reply: invalid(["auth_type", "must be LOCAL, LDAP or KERBEROS"]),
    }),
  ),
  ...attacks(
    "an account that has a password here although its kind is",
    "user_admin_create",
    { LDAP: "LDAP", KERBEROS: "KERBEROS" },
    async (auth_type, fixture) => ({
      request: await newAccount(fixture, auth_type),
      reply: invalid(["password", "must be omitted: the directory or KDC verifies this user's password"]),
    }),
  ),
];

const registration = attacks(
  "a registration that is closed,",
  "user_register",
  {
    "for a new name": { username: "newcomer", email: "newcomer@example.com" },
    "for a name that is taken": { username: "alice", email: "newcomer@example.com" },
    "for an email that is taken": { username: "newcomer", email: "alice@example.com" },
    "with the setting to open it": {
      username: "newcomer",
      email: "newcomer@example.com",
      allow_registration: true,
    },
  },
  (fields) => ({
    request: { password: PASSWORD, password_confirm: PASSWORD, ...fields },
    reply: REGISTRATION_CLOSED,
  }),
  "closed",
);

/** Gives more than it is asked for, in the hope that it is stored; registers where nobody may. */
export const massAssignment: Attack[] = [...accounts, ...sessions, ...kinds, ...registration];
