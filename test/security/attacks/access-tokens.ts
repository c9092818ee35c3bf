import assert from "node:assert/strict";
import type { QueueName } from "../../../src/wire/queues.ts";
import { secondsFromNow } from "../../tokens/craft.ts";
import { attack, type Attack, attacks } from "../attack.ts";
import {
  doneReply,
  FORBIDDEN,
  INVALID_TOKEN,
  invalid,
  moment,
  NOT_A_STRING,
  NOT_ACTIVATED,
  NOT_LOCAL,
  ok,
  USER_NOT_FOUND,
  MISSING,
  noToken,
} from "../envelopes.ts";
import { PASSWORD } from "../fixture.ts";
import { ACCESS_QUEUES } from "./stolen-id-tokens.ts";

const ADMIN_QUEUES: readonly QueueName[] = [
  "user_admin_create",
  "user_unlock",
  "session_all",
  "session_revoke",
  "api_key_create",
  "api_key_all",
  "api_key_revoke",
  "group_user",
  "group_create",
  "group_delete",
  "group_add_user",
  "group_remove_user",
  "audit_log",
];

const SELF_QUEUES: readonly QueueName[] = ["user_delete", "user_change"];

const plain = [...ADMIN_QUEUES, ...SELF_QUEUES].map((queue) =>
  attack(`a plain user calls ${queue}`, queue, async ({ accessToken }) => ({
    request: { ...ACCESS_QUEUES[queue], access_token: await accessToken("bobby", ["dev"]) },
    reply: FORBIDDEN,
  })),
);

const anonymous = Object.entries(ACCESS_QUEUES)
  .filter(([queue]) => queue !== "user_get")
  .map(([queue, fields]) =>
    attack(`a caller without a token calls ${queue}`, queue as QueueName, {
      request: fields,
      reply: noToken("access_token"),
    }),
  );

/** Groups whose names resemble the admin group. */
const SIMILAR_TO_ADMIN: Readonly<Record<string, readonly string[]>> = {
  "no groups": [],
  Admin: ["Admin"],
  administrator: ["administrator"],
  admins: ["admins"],
  "admin and a space": ["admin "],
  "admin and a newline": ["admin\n"],
  "admin and a NUL": ["admin\0"],
  "admin and a zero-width space": ["admin\u200b"],
  "admin with a Cyrillic a": ["\u0430dmin"],
  "a prototype member": ["__proto__", "constructor"],
};

const nearly = attacks(
  "a user with groups similar to the admin group:",
  "group_create",
  SIMILAR_TO_ADMIN,
  async (groups, { accessToken }) => ({
    request: { groupname: "usurped", access_token: await accessToken("bobby", groups) },
    reply: FORBIDDEN,
  }),
);

/** Accounts and fields that a plain user must not change. */
const FORBIDDEN_CHANGES: Readonly<Record<string, object>> = {
  "another user's password": { username: "alice", password: "taken over by me" },
  "another user's email": { username: "alice", email: "taken@example.com" },
  "the administrator's password": { username: "root", password: "taken over by me" },
  "the password of an unknown user": { username: "nobody-at-all", password: "taken over by me" },
  "its own activation": { username: "bobby", activated: true },
  "its own deactivation": { username: "bobby", activated: false },
  "the activation of a deactivated user": { username: "carol", activated: true },
  "its own email and activation together": { username: "bobby", email: "mine@example.com", activated: true },
};

const changes = attacks(
  "a plain user, bobby, changes",
  "user_change",
  FORBIDDEN_CHANGES,
  async (fields, { accessToken }) => ({
    request: { ...fields, access_token: await accessToken("bobby") },
    reply: FORBIDDEN,
  }),
);

const names = attacks(
  "a plain user deletes another user, whose name is given",
  "user_delete",
  { "as a list with its own": ["bobby", "alice"], "as an object": { username: "alice" }, "as null": null },
  async (username, { accessToken }) => ({
    request: { username, access_token: await accessToken("bobby") },
    reply: invalid(["username", username === null ? MISSING : NOT_A_STRING]),
  }),
);

const reads = [
  attack(
    "a plain user reads another user: no groups, session or email",
    "user_get",
    async ({ accessToken }) => ({
      request: { username: "alice", access_token: await accessToken("bobby") },
      reply: ok({ username: "alice", activated: true, created_at: moment }),
    }),
  ),
  attack(
    "a plain user reads the administrator: no groups, session or email",
    "user_get",
    async ({ accessToken }) => ({
      request: { username: "root", access_token: await accessToken("bobby") },
      reply: ok({ username: "root", activated: true, created_at: moment }),
    }),
  ),
  attack("a caller without a token reads a user: no groups, session or email", "user_get", {
    request: { username: "alice" },
    reply: ok({ username: "alice", activated: true, created_at: moment }),
  }),
  attack(
    "a caller without a token reads a user where a token is required",
    "user_get",
    { request: { username: "alice" }, reply: noToken("access_token") },
    "closed",
  ),
  attack(
    "a caller without a token reads an unknown user where a token is required",
    "user_get",
    { request: { username: "nobody-at-all" }, reply: noToken("access_token") },
    "closed",
  ),
  attack(
    "a caller with a null token reads a user where a token is required",
    "user_get",
    { request: { username: "alice", access_token: null }, reply: noToken("access_token") },
    "closed",
  ),
  attack("a caller with a null token reads a user like a caller without a token", "user_get", {
    request: { username: "alice", access_token: null },
    reply: ok({ username: "alice", activated: true, created_at: moment }),
  }),
  ...attacks(
    "a caller reads a user with a token that is",
    "user_get",
    { empty: "", "no token": "a.b.c" },
    (access_token) => ({
      request: { username: "alice", access_token },
      reply: INVALID_TOKEN,
    }),
  ),
];

const directoryUsers = [
  ...attacks(
    "a directory or Kerberos user changes its own",
    "user_change",
    {
      "password (lara, LDAP)": { username: "lara", password: "a local password" },
      "email (lara, LDAP)": { username: "lara", email: "lara@evil.example.com" },
      "password (kurt, KERBEROS)": { username: "kurt", password: "a local password" },
      "email (kurt, KERBEROS)": { username: "kurt", email: "kurt@evil.example.com" },
    },
    async (fields, { accessToken }) => ({
      request: { ...fields, access_token: await accessToken(fields.username) },
      reply: NOT_LOCAL,
    }),
  ),
  ...attacks(
    "an administrator sets a local password for",
    "user_change",
    { lara: "lara", kurt: "kurt" },
    async (username, { adminToken }) => ({
      request: { username, password: "a local password", activated: true, access_token: await adminToken() },
      reply: NOT_LOCAL,
    }),
  ),
];

/** Tokens that are older than a change of their account. */
const outlived = [
  ...(["user_change", "user_delete", "user_get"] as const).map((queue) =>
    attack(
      `a token of a deleted account whose name was registered again, on ${queue}`,
      queue,
      async (fixture) => {
        const { username } = await fixture.newUser();
        const session = await fixture.sessionOf(username);
        const access_token = fixture.signedAccess({ ...session, iat: secondsFromNow(-60) });
        await fixture.ask("user_delete", { username, access_token: await fixture.adminToken() });
        await fixture.newUser({ username });
        const email = queue === "user_change" ? { email: `${username}@evil.example.com` } : {};
        return { request: { username, ...email, access_token }, reply: INVALID_TOKEN };
      },
    ),
  ),
  ...(["user_change", "user_delete"] as const).map((queue) =>
    attack(`a token of a deleted account, on ${queue}`, queue, async (fixture) => {
      const { username } = await fixture.newUser();
      const access_token = await fixture.accessToken(username);
      await fixture.ask("user_delete", { username, access_token: await fixture.adminToken() });
      const email = queue === "user_change" ? { email: `${username}@evil.example.com` } : {};
      return { request: { username, ...email, access_token }, reply: USER_NOT_FOUND };
    }),
  ),
  ...(["user_change", "user_delete"] as const).map((queue) =>
    attack(`a token of a deactivated account, on ${queue}`, queue, async ({ accessToken }) => {
      const email = queue === "user_change" ? { email: "carol@evil.example.com" } : {};
      return {
        request: { username: "carol", ...email, access_token: await accessToken("carol") },
        reply: NOT_ACTIVATED,
      };
    }),
  ),
  ...(["token", "logout"] as const).map((queue) =>
    attack(`an access token instead of an ID token on ${queue}`, queue, async ({ adminToken }) => ({
      request: { id_token: await adminToken() },
      reply: INVALID_TOKEN,
    })),
  ),
  attack(
    "a stolen access token changes the password, which revokes only that user's session",
    "user_change",
    async (fixture) => {
      const [one, other] = [await fixture.newUser(), await fixture.newUser()];
      const id_token = await fixture.idToken(one);
      const bystander = await fixture.idToken(other);
      const { username } = one;
      return {
        request: {
          username,
          password: "taken over by me",
          access_token: await fixture.accessToken(username),
        },
        reply: doneReply(`changed user ${username}`),
        after: async () => {
          assert.equal((await fixture.ask("token", { id_token })).resp_code, 401);
          assert.equal((await fixture.ask("token", { id_token: bystander })).resp_code, 200);
          assert.equal((await fixture.ask("login", { username, password: PASSWORD })).resp_code, 401);
        },
      };
    },
  ),
];

/** The attacker has an access token of a plain user, and tries to act as another user or as an administrator. */
export const accessTokens: Attack[] = [
  ...plain,
  ...anonymous,
  ...nearly,
  ...changes,
  ...names,
  ...reads,
  ...directoryUsers,
  ...outlived,
];
