import type { QueueName } from "../../../src/wire/queues.ts";
import { attack, type Attack, attacks } from "../attack.ts";
import { HALF_CHARACTERS, invalid, INVALID_TOKEN, LOGGED_IN, MISSING, NO_TEXT } from "../envelopes.ts";
import { PASSWORD } from "../fixture.ts";

const NO_LIMIT = "must be a whole number from 1 to 1000";

/** The fields of every queue, in the order of its schema, with what is said of one that is no text. */
const FIELDS: Readonly<Partial<Record<QueueName, Readonly<Record<string, string>>>>> = {
  login: { username: NO_TEXT, password: NO_TEXT, vhost: NO_TEXT, ip: NO_TEXT },
  logout: { ip: NO_TEXT },
  token: { ip: NO_TEXT, broker: "must be true or false" },
  introspect: { token: NO_TEXT, ip: NO_TEXT },
  user_register: { username: NO_TEXT, password: NO_TEXT, password_confirm: NO_TEXT, email: NO_TEXT },
  user_admin_create: {
    username: NO_TEXT,
    password: NO_TEXT,
    email: NO_TEXT,
    auth_type: "must be LOCAL, LDAP or KERBEROS",
  },
  user_delete: { username: NO_TEXT },
  user_change: { username: NO_TEXT, password: NO_TEXT, email: NO_TEXT, activated: "must be true or false" },
  user_unlock: { username: NO_TEXT },
  user_password_reset: { reset_token: NO_TEXT, password: NO_TEXT, password_confirm: NO_TEXT },
  user_verify_email: { verify_token: NO_TEXT },
  audit_log: { user: NO_TEXT, after: NO_TEXT, limit: "must be a whole number" },
  session_revoke: { username: NO_TEXT },
  user_all: { limit: NO_LIMIT, after: NO_TEXT, q: NO_TEXT },
  group_all: { limit: NO_LIMIT, after: NO_TEXT, q: NO_TEXT },
  user_get: { username: NO_TEXT },
  group_user: { groupname: NO_TEXT, limit: NO_LIMIT, after: NO_TEXT, q: NO_TEXT },
  group_create: { groupname: NO_TEXT },
  group_delete: { groupname: NO_TEXT },
  group_add_user: { groupname: NO_TEXT, username: NO_TEXT },
  group_remove_user: { groupname: NO_TEXT, username: NO_TEXT },
};

/** What is no text and no truth value, made to look like one. */
const VALUES: Readonly<Record<string, unknown>> = {
  "a list with one text": ["alice"],
  "an object that says it is a text": { toString: "alice", length: 5, $ne: null },
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
    "a login with null in the place of its",
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
  attack("an account that is activated by a word", "user_change", async ({ adminToken }) => ({
    request: { username: "carol", activated: "true", access_token: await adminToken() },
    reply: invalid(["activated", "must be true or false"]),
  })),
  attack("an account that is activated by a one", "user_change", async ({ adminToken }) => ({
    request: { username: "carol", activated: 1, access_token: await adminToken() },
    reply: invalid(["activated", "must be true or false"]),
  })),
  attack("an account whose email becomes null", "user_change", async ({ adminToken }) => ({
    request: { username: "alice", email: null, access_token: await adminToken() },
    reply: invalid(["", "give at least one of password, email and activated"]),
  })),
  attack("a change of nothing", "user_change", async ({ adminToken }) => ({
    request: { username: "alice", access_token: await adminToken() },
    reply: invalid(["", "give at least one of password, email and activated"]),
  })),
];

/** Half characters: written as UTF-8, two of them would become the same. */
const halves = [
  attack("a password that is half a character", "login", {
    request: { username: "alice", password: "\ud800" },
    reply: invalid(["password", HALF_CHARACTERS]),
  }),
  attack("a password that is the other half", "login", {
    request: { username: "alice", password: `${PASSWORD}\udc00` },
    reply: invalid(["password", HALF_CHARACTERS]),
  }),
  attack("a username with half a character", "user_get", {
    request: { username: "alice\ud800" },
    reply: invalid(["username", HALF_CHARACTERS]),
  }),
  attack("an ip that is half a character", "login", {
    request: { ...ALL_OF_LOGIN, ip: "\udfff" },
    reply: invalid(["ip", HALF_CHARACTERS]),
  }),
  attack("a new password with half a character", "user_change", async ({ accessToken }) => ({
    request: { username: "bobby", password: "half a \ud83d", access_token: await accessToken("bobby") },
    reply: invalid(["password", HALF_CHARACTERS]),
  })),
  attack("a token with half a character", "user_all", async ({ accessToken }) => ({
    request: { access_token: `${await accessToken("bobby")}\ud800` },
    reply: INVALID_TOKEN,
  })),
];

const combined = [
  attack("a login with a password and a ticket", "login", {
    request: { username: "alice", password: PASSWORD, kerberos_ticket: "YII=" },
    reply: invalid(["password", "must be omitted if kerberos_ticket is given"]),
  }),
  attack("a login with nothing", "login", {
    request: {},
    reply: invalid(["username", MISSING], ["password", MISSING]),
  }),
  attack("a login with a ticket that is no base64", "login", {
    request: { username: "alice", kerberos_ticket: "not base64!" },
    reply: invalid(["kerberos_ticket", "must be base64"]),
  }),
  attack("a login with an empty ticket", "login", {
    request: { username: "alice", kerberos_ticket: "" },
    reply: invalid(["kerberos_ticket", "must not be empty"]),
  }),
];

/** Publishes requests whose fields are of other types than their names say. */
export const wrongTypes: Attack[] = [...swapped, ...nulls, ...halves, ...combined];
