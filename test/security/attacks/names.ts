import type { QueueName } from "../../../src/wire/queues.ts";
import { attack, type Attack, attacks } from "../attack.ts";
import {
  EMAIL_TAKEN,
  GROUP_NOT_FOUND,
  INVALID_CREDENTIALS,
  invalid,
  NO_EMAIL,
  NO_GROUP,
  NO_USERNAME,
  ok,
  TOO_LONG,
  USER_NOT_FOUND,
  USERNAME_TAKEN,
} from "../envelopes.ts";
import { PASSWORD } from "../fixture.ts";

/** Texts with a meaning for a database, a directory, a file system, a shell, a template or a terminal. */
const INJECTIONS: Readonly<Record<string, string>> = {
  "SQL that is always true": "alice' OR '1'='1",
  "SQL that drops a table": "alice'; DROP TABLE user; --",
  "SQL with a wildcard": "al%",
  "an LDAP wildcard": "al*ce",
  "an LDAP filter": "*)(uid=*))(|(uid=*",
  "a DN": "cn=alice,ou=User",
  "a domain and a name": "AD\\alice",
  "a path": "../../etc/passwd",
  "terminal colours": "\u001b[31malice",
  "a forged log line": 'alice\n{"level":60,"msg":"forged"}',
};

const injections = attacks("a login with a name that is", "login", INJECTIONS, (username) => ({
  request: { username, password: PASSWORD },
  reply: invalid(["username", NO_USERNAME]),
}));

const SQL = "alice' OR '1'='1";
const GROUP = { groupname: "dev" };

/** The other text fields, each with one injection. */
const OTHER_FIELDS: readonly (readonly [queue: QueueName, field: string, more: object, msg: string])[] = [
  ["user_get", "username", {}, NO_USERNAME],
  ["group_create", "groupname", {}, NO_GROUP],
  ["user_delete", "username", {}, NO_USERNAME],
  ["user_change", "username", { activated: true }, NO_USERNAME],
  ["user_change", "email", { username: "alice" }, NO_EMAIL],
  ["user_unlock", "username", {}, NO_USERNAME],
  ["session_revoke", "username", {}, NO_USERNAME],
  ["user_password_forgot", "username", {}, NO_USERNAME],
  ["user_password_forgot", "email", {}, NO_EMAIL],
  ["audit_log", "user", {}, NO_USERNAME],
  ["user_admin_create", "username", { password: PASSWORD, email: "sql@example.com" }, NO_USERNAME],
  ["user_admin_create", "email", { username: "injected", password: PASSWORD }, NO_EMAIL],
  ["group_user", "groupname", {}, NO_GROUP],
  ["group_delete", "groupname", {}, NO_GROUP],
  ["group_add_user", "groupname", { username: "alice" }, NO_GROUP],
  ["group_add_user", "username", GROUP, NO_USERNAME],
  ["group_remove_user", "groupname", { username: "alice" }, NO_GROUP],
  ["group_remove_user", "username", GROUP, NO_USERNAME],
];

const others = OTHER_FIELDS.map(([queue, field, more, msg]) =>
  attack(`${queue} with SQL in ${field}`, queue, async ({ adminToken }) => ({
    request: { ...more, [field]: SQL, access_token: await adminToken() },
    reply: invalid([field, msg]),
  })),
);

/** Injections in prefix filters and page positions. */
const pages = [
  ...attacks("a list of users with the prefix", "user_all", INJECTIONS, async (q, { accessToken }) => ({
    request: { q, access_token: await accessToken("bobby") },
    reply: { resp_code: 204, resp_data: { users: [] } },
  })),
  ...attacks(
    "a page of groups after",
    "group_all",
    { "SQL that is always true": "zz' OR '1'='1", "SQL with a comment": "zz' -- " },
    async (cursor, { accessToken }) => ({
      request: { after: cursor, access_token: await accessToken("bobby") },
      reply: { resp_code: 204, resp_data: { groups: [] } },
    }),
  ),
];

/** Names that resemble alice. */
const LOOKALIKES: Readonly<Record<string, string>> = {
  "with a trailing space": "alice ",
  "with a trailing newline": "alice\n",
  "with a leading tab": "\talice",
  "with a trailing no-break space": "alice\u00a0",
  "with a trailing NUL": "alice\0",
  "with a zero-width space": "ali\u200bce",
  "with right-to-left direction": "\u202eecila",
  "with a Cyrillic a": "\u0430lice",
  "in full-width letters": "ａｌｉｃｅ",
  "with a dotless i": "al\u0131ce",
  "with a dotted capital i": "AL\u0130CE",
};

const lookalikes = [
  ...attacks("a registration of the name alice", "user_register", LOOKALIKES, (username) => ({
    request: { username, password: PASSWORD, password_confirm: PASSWORD, email: "lookalike@example.com" },
    reply: invalid(["username", NO_USERNAME]),
  })),
  ...attacks(
    "a login as kurt with",
    "login",
    { "a full-width k": "\uff4burt", "a long s": "kur\u017f", "a sharp s": "kur\u00df" },
    (username) => ({ request: { username, password: PASSWORD }, reply: invalid(["username", NO_USERNAME]) }),
  ),
];

const taken = [
  ...attacks(
    "a registration of a taken username, spelled",
    "user_register",
    { "the same way": "alice", "in capitals": "ALICE", "in mixed case": "aLiCe" },
    (username) => ({
      request: { username, password: PASSWORD, password_confirm: PASSWORD, email: "second@example.com" },
      reply: USERNAME_TAKEN,
    }),
  ),
  attack("a registration with a taken email, in capitals", "user_register", ({ newName }) => ({
    request: {
      username: newName(),
      password: PASSWORD,
      password_confirm: PASSWORD,
      email: "ALICE@EXAMPLE.COM",
    },
    reply: EMAIL_TAKEN,
  })),
  attack(
    "a user changes its email to another user's, in capitals",
    "user_change",
    async ({ accessToken }) => ({
      request: { username: "bobby", email: "Alice@Example.Com", access_token: await accessToken("bobby") },
      reply: EMAIL_TAKEN,
    }),
  ),
];

const PROTOTYPE_MEMBERS = ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf"];

const prototypes = [
  ...PROTOTYPE_MEMBERS.map((username) =>
    attack(`a user whose name is ${username}`, "user_get", { request: { username }, reply: USER_NOT_FOUND }),
  ),
  ...PROTOTYPE_MEMBERS.slice(0, 2).map((username) =>
    attack(`a login as ${username}`, "login", {
      request: { username, password: PASSWORD },
      reply: INVALID_CREDENTIALS,
    }),
  ),
  attack("the members of a group whose name is __proto__", "group_user", async ({ adminToken }) => ({
    request: { groupname: "__proto__", access_token: await adminToken() },
    reply: GROUP_NOT_FOUND,
  })),
  attack("a user whose name resembles __proto__ has a normal account", "login", async ({ newUser }) => {
    const { username, password } = await newUser({ username: "__proto__x" });
    return {
      request: { username: username.toUpperCase(), password: `${password}!` },
      reply: INVALID_CREDENTIALS,
    };
  }),
  attack("a group whose name is constructor is a normal group", "group_create", async (fixture) => {
    const access_token = await fixture.adminToken();
    return {
      request: { groupname: "constructor", access_token },
      reply: ok({ msg: "created group constructor" }),
      after: async () => {
        await fixture.ask("group_delete", { groupname: "constructor", access_token });
      },
    };
  }),
];

const lengths = [
  ...attacks("a name of", "login", { "101 characters": 101, "60,000 characters": 60_000 }, (length) => ({
    request: { username: "a".repeat(length), password: PASSWORD },
    reply: invalid(["username", TOO_LONG]),
  })),
  ...attacks(
    "a name of",
    "user_get",
    { "3 characters": 3, "31 characters": 31, "no characters": 0 },
    (length) => ({
      request: { username: "a".repeat(length) },
      reply: invalid(["username", NO_USERNAME]),
    }),
  ),
  attack("a group's name of 60,000 characters", "group_create", async ({ adminToken }) => ({
    request: { groupname: "g".repeat(60_000), access_token: await adminToken() },
    reply: invalid(["groupname", TOO_LONG]),
  })),
];

/** Invalid email addresses. */
const INVALID_EMAILS: Readonly<Record<string, string>> = {
  "an empty string": "",
  "an address and a newline": "new@example.com\n",
  "an address and a header": "new@example.com\r\nBcc: all@example.com",
  "an address and a NUL": "new@example.com\0",
  "an address with a display name": "New <new@example.com>",
  "two addresses": "new@example.com,alice@example.com",
  "an address with two at signs": "new@example.com@evil.example.com",
  "an address in quotes": '"new user"@example.com',
  "an address at a number": "new@[127.0.0.1]",
  "an address with a Cyrillic letter": "n\u0435w@example.com",
  "an address with many labels and an invalid end": `new@${"a.".repeat(40)}!`,
};

const emails = [
  ...attacks("a registration whose email is", "user_register", INVALID_EMAILS, (email) => ({
    request: { username: "no-email", password: PASSWORD, password_confirm: PASSWORD, email },
    reply: invalid(["email", NO_EMAIL]),
  })),
  attack("a registration whose email has 101 characters", "user_register", {
    request: {
      username: "no-email",
      password: PASSWORD,
      password_confirm: PASSWORD,
      email: `${"a".repeat(89)}@example.com`,
    },
    reply: invalid(["email", TOO_LONG]),
  }),
];

/** The attacker sends names with special meanings, or names that resemble another user's. */
export const names: Attack[] = [
  ...injections,
  ...others,
  ...pages,
  ...lookalikes,
  ...taken,
  ...prototypes,
  ...lengths,
  ...emails,
];
