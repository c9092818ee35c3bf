import assert from "node:assert/strict";
import { decodePart } from "../../tokens/craft.ts";
import { attack, type Attack, attacks } from "../attack.ts";
import { doneReply, EXCHANGED, invalid, LOGGED_IN, noToken, REGISTRATION_CLOSED } from "../envelopes.ts";
import { PASSWORD, type AttackFixture } from "../fixture.ts";

/** A new account with an auth_type and a password. */
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

/** Columns and settings that a request might try to set; registrations also set `activated`. */
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

/** The request as JSON text with all the extra members. */
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
    "a registration that activates itself although an administrator must",
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
  attack("a change of a user's own email that makes it an administrator", "user_change", async (fixture) => {
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
  attack("a change of protected fields only", "user_change", async (fixture) => {
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
    "a token request with more groups, another vhost and a longer lifetime",
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
        // Only `groups` is a field of the request: the user has none of these groups.
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
  attack("a token request for a group without the user", "token", async (fixture) => ({
    request: withExtras({ id_token: await fixture.idToken(await fixture.newUser({ groups: ["dev"] })) }),
    reply: invalid(["groups", "must be groups of the account; item 1 is not"]),
  })),
  attack("a request for users that contains its caller", "user_all", {
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
      "local in lower case": "local",
      "an empty string": "",
      "a list": ["LOCAL"],
      "a prototype member": "__proto__",
    },
    async (auth_type, fixture) => ({
      request: await newAccount(fixture, auth_type),
      reply: invalid(["auth_type", "must be LOCAL, LDAP, KERBEROS or SERVICE"]),
    }),
  ),
  ...attacks(
    "an account with a local password and the auth_type",
    "user_admin_create",
    { LDAP: "LDAP", KERBEROS: "KERBEROS" },
    async (auth_type, fixture) => ({
      request: await newAccount(fixture, auth_type),
      reply: invalid([
        "password",
        "must be omitted: the directory or KDC verifies this user's password, and a service has API keys instead",
      ]),
    }),
  ),
];

const registration = attacks(
  "a closed registration,",
  "user_register",
  {
    "for a new name": { username: "newcomer", email: "newcomer@example.com" },
    "for a taken username": { username: "alice", email: "newcomer@example.com" },
    "for a taken email": { username: "newcomer", email: "alice@example.com" },
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

/** The attacker adds members to requests that might be stored, or registers where registration is closed. */
export const massAssignment: Attack[] = [...accounts, ...sessions, ...kinds, ...registration];
