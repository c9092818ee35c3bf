import type { QueueName } from "../../../src/wire/queues.ts";
import { attack, type Attack, attacks } from "../attack.ts";
import { LONE_SURROGATE, invalid, INVALID_TOKEN, LOGGED_IN, MISSING, NOT_A_STRING } from "../envelopes.ts";
import { PASSWORD } from "../fixture.ts";

const NO_LIMIT = "must be a whole number from 1 to 1000";

/** The fields of every queue, in the order of its schema, with the error message for a wrong type. */
const FIELDS: Readonly<Partial<Record<QueueName, Readonly<Record<string, string>>>>> = {
  login: { username: NOT_A_STRING, password: NOT_A_STRING, vhost: NOT_A_STRING, ip: NOT_A_STRING },
  logout: { ip: NOT_A_STRING },
  token: { ip: NOT_A_STRING, broker: "must be true or false" },
  introspect: { token: NOT_A_STRING, ip: NOT_A_STRING },
  user_register: {
    username: NOT_A_STRING,
    password: NOT_A_STRING,
    password_confirm: NOT_A_STRING,
    email: NOT_A_STRING,
  },
  user_admin_create: {
    username: NOT_A_STRING,
    password: NOT_A_STRING,
    email: NOT_A_STRING,
    auth_type: "must be LOCAL, LDAP, KERBEROS or SERVICE",
  },
  user_delete: { username: NOT_A_STRING },
  user_change: {
    username: NOT_A_STRING,
    password: NOT_A_STRING,
    email: NOT_A_STRING,
    activated: "must be true or false",
  },
  user_unlock: { username: NOT_A_STRING },
  user_password_reset: { reset_token: NOT_A_STRING, password: NOT_A_STRING, password_confirm: NOT_A_STRING },
  user_verify_email: { verify_token: NOT_A_STRING },
  audit_log: { user: NOT_A_STRING, after: NOT_A_STRING, limit: "must be a whole number" },
  session_revoke: { username: NOT_A_STRING },
  user_all: { limit: NO_LIMIT, after: NOT_A_STRING, q: NOT_A_STRING },
  group_all: { limit: NO_LIMIT, after: NOT_A_STRING, q: NOT_A_STRING },
  user_get: { username: NOT_A_STRING },
  group_user: { groupname: NOT_A_STRING, limit: NO_LIMIT, after: NOT_A_STRING, q: NOT_A_STRING },
  group_create: { groupname: NOT_A_STRING },
  group_delete: { groupname: NOT_A_STRING },
  group_add_user: { groupname: NOT_A_STRING, username: NOT_A_STRING },
  group_remove_user: { groupname: NOT_A_STRING, username: NOT_A_STRING },
};

/** Values that are neither strings nor booleans, but resemble them. */
const VALUES: Readonly<Record<string, unknown>> = {
  "a list with one string": ["alice"],
  "an object that resembles a string": { toString: "alice", length: 5, $ne: null },
};

/** Each queue with one of them, in turn. */
const swapped = Object.entries(FIELDS).map(([queue, fields], index) => {
  const [what, value] = Object.entries(VALUES)[index % 2]!;
  return attack(`${queue} with every field ${what}`, queue as QueueName, async ({ adminToken }) => ({
    request: {
      ...Object.fromEntries(Object.keys(fields).map((name) => [name, value])),
      access_token: await adminToken(),
    },
    reply: invalid(...Object.entries(fields)),
  }));
});

const ALL_OF_LOGIN = { username: "alice", password: PASSWORD, vhost: "prod", ip: "*" };

const nulls = [
  ...attacks(
    "a login with null as its",
    "login",
    { username: "username", password: "password", vhost: "vhost", kerberos_ticket: "kerberos_ticket" },
    (name) => ({
      request:
        name === "kerberos_ticket"
          ? { username: "alice", kerberos_ticket: null }
          : { ...ALL_OF_LOGIN, [name]: null },
      reply:
        name === "vhost" ? LOGGED_IN : invalid([name === "kerberos_ticket" ? "password" : name, MISSING]),
    }),
  ),
  attack("an account that is activated with a string", "user_change", async ({ adminToken }) => ({
    request: { username: "carol", activated: "true", access_token: await adminToken() },
    reply: invalid(["activated", "must be true or false"]),
  })),
  attack("an account that is activated with the number 1", "user_change", async ({ adminToken }) => ({
    request: { username: "carol", activated: 1, access_token: await adminToken() },
    reply: invalid(["activated", "must be true or false"]),
  })),
  attack("a change of an email to null", "user_change", async ({ adminToken }) => ({
    request: { username: "alice", email: null, access_token: await adminToken() },
    reply: invalid(["", "give at least one of password, email and activated"]),
  })),
  attack("a change without fields", "user_change", async ({ adminToken }) => ({
    request: { username: "alice", access_token: await adminToken() },
    reply: invalid(["", "give at least one of password, email and activated"]),
  })),
];

/** Lone surrogates: encoded as UTF-8, two different ones would become equal. */
const halves = [
  attack("a password that is a lone surrogate", "login", {
    request: { username: "alice", password: "\ud800" },
    reply: invalid(["password", LONE_SURROGATE]),
  }),
  attack("a password that is the other surrogate", "login", {
    request: { username: "alice", password: `${PASSWORD}\udc00` },
    reply: invalid(["password", LONE_SURROGATE]),
  }),
  attack("a username with a lone surrogate", "user_get", {
    request: { username: "alice\ud800" },
    reply: invalid(["username", LONE_SURROGATE]),
  }),
  attack("an ip that is a lone surrogate", "login", {
    request: { ...ALL_OF_LOGIN, ip: "\udfff" },
    reply: invalid(["ip", LONE_SURROGATE]),
  }),
  attack("a new password with a lone surrogate", "user_change", async ({ accessToken }) => ({
    request: { username: "bobby", password: "half a \ud83d", access_token: await accessToken("bobby") },
    reply: invalid(["password", LONE_SURROGATE]),
  })),
  attack("a token with a lone surrogate", "user_all", async ({ accessToken }) => ({
    request: { access_token: `${await accessToken("bobby")}\ud800` },
    reply: INVALID_TOKEN,
  })),
];

const combined = [
  attack("a login with a password and a ticket", "login", {
    request: { username: "alice", password: PASSWORD, kerberos_ticket: "YII=" },
    reply: invalid(["password", "must be omitted if kerberos_ticket is given"]),
  }),
  attack("a login without credentials", "login", {
    request: {},
    reply: invalid(["username", MISSING], ["password", MISSING]),
  }),
  attack("a login with a ticket that is not base64", "login", {
    request: { username: "alice", kerberos_ticket: "not base64!" },
    reply: invalid(["kerberos_ticket", "must be base64"]),
  }),
  attack("a login with an empty ticket", "login", {
    request: { username: "alice", kerberos_ticket: "" },
    reply: invalid(["kerberos_ticket", "must not be empty"]),
  }),
];

/** The attacker sends fields of the wrong types. */
export const wrongTypes: Attack[] = [...swapped, ...nulls, ...halves, ...combined];
