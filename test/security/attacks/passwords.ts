import assert from "node:assert/strict";
import { attack, type Attack, attacks } from "../attack.ts";
import { doneReply, INVALID_CREDENTIALS, invalid } from "../envelopes.ts";
import { BLOCKED, PASSWORD } from "../fixture.ts";

const UNHASHABLE = "must have at most 72 bytes in UTF-8 and no NUL";
const NO_PASSWORD = "must match .{4,}";
const REVEALS = "must not contain the username";
const BLOCKLISTED = "is on the list of blocked passwords; choose another one";

/** Invalid passwords, and their error messages. */
const REFUSED: Readonly<Record<string, readonly [password: string, msg: string]>> = {
  "of 73 bytes": ["a".repeat(73), UNHASHABLE],
  "of 74 bytes in 37 characters": ["ä".repeat(37), UNHASHABLE],
  "of 30,000 bytes": ["a".repeat(30_000), UNHASHABLE],
  "with a trailing NUL": ["long enough\0", UNHASHABLE],
  "of three characters": ["abc", NO_PASSWORD],
  "that is empty": ["", NO_PASSWORD],
  "with a newline": ["long\nenough", NO_PASSWORD],
  "that is the username": ["mallory", REVEALS],
  "that contains the username": ["xx-Mallory-2026", REVEALS],
  "that contains the username in full-width letters": ["xx-ｍａｌｌｏｒｙ-2026", REVEALS],
  "from the blocklist": [BLOCKED, BLOCKLISTED],
  "from the blocklist, in capitals": [BLOCKED.toUpperCase(), BLOCKLISTED],
};

const refused = [
  ...attacks("a registration with a password", "user_register", REFUSED, ([password, msg]) => ({
    request: { username: "mallory", password, password_confirm: password, email: "mallory@example.com" },
    reply: invalid(["password", msg]),
  })),
  ...attacks(
    "a change to a password",
    "user_change",
    {
      "of 73 bytes": ["a".repeat(73), UNHASHABLE],
      "with a NUL in it": ["long\0enough", UNHASHABLE],
      "that contains the username": ["this is bobby", REVEALS],
      "from the blocklist": [BLOCKED, BLOCKLISTED],
    } as const,
    async ([password, msg], { accessToken }) => ({
      request: { username: "bobby", password, access_token: await accessToken("bobby") },
      reply: invalid(["password", msg]),
    }),
  ),
  attack(
    "a change to a password that contains the username, spelled differently",
    "user_change",
    async (fixture) => ({
      request: {
        username: "BOBBY",
        password: "this is bobby",
        access_token: await fixture.accessToken("bobby"),
      },
      reply: invalid(["password", REVEALS]),
    }),
  ),
  ...attacks(
    "an account created with a password",
    "user_admin_create",
    {
      "that contains the username": ["mallory's own", REVEALS],
      "from the blocklist": [BLOCKED, BLOCKLISTED],
    } as const,
    async ([password, msg], { adminToken }) => ({
      request: {
        username: "mallory",
        password,
        email: "mallory@example.com",
        access_token: await adminToken(),
      },
      reply: invalid(["password", msg]),
    }),
  ),
  ...attacks(
    "a registration whose password confirmation is",
    "user_register",
    {
      "another password": "quite another password",
      "the same in capitals": PASSWORD.toUpperCase(),
      "the same and a space": `${PASSWORD} `,
      nothing: "",
      "the same and a NUL": `${PASSWORD}\0`,
    },
    (password_confirm) => ({
      request: { username: "mallory", password: PASSWORD, password_confirm, email: "mallory@example.com" },
      reply: invalid(["password_confirm", "must be the same as password"]),
    }),
  ),
  attack(
    "a registration whose password confirmation is the same in another normal form",
    "user_register",
    (fixture) => {
      const username = fixture.newName();
      const [composed, decomposed] = ["caf\u00e9 au lait", "cafe\u0301 au lait"];
      return {
        request: {
          username,
          password: composed,
          password_confirm: decomposed,
          email: `${username}@example.com`,
        },
        reply: doneReply(`registered user ${username}`),
      };
    },
  ),
];

const FULL = "ä".repeat(36);

/** Passwords that resemble the stored one: the stored password, and the tried one. */
const NEARLY: Readonly<Record<string, readonly [stored: string, tried: string]>> = {
  "in capitals": [PASSWORD, PASSWORD.toUpperCase()],
  "without its last character": [PASSWORD, PASSWORD.slice(0, -1)],
  "and a space": [PASSWORD, `${PASSWORD} `],
  "and a newline": [PASSWORD, `${PASSWORD}\n`],
  "and a NUL": [PASSWORD, `${PASSWORD}\0`],
  "and a NUL and more": [PASSWORD, `${PASSWORD}\0and more`],
  "of 72 bytes and one more byte": [FULL, `${FULL}x`],
  "in a compatible form that is not the same": ["\u212bngstrom units", "\uff21\u030angstrom units"],
  "without its accent": ["caf\u00e9 au lait", "cafe au lait"],
  "that is empty": [PASSWORD, ""],
  "that is a NUL": [PASSWORD, "\0"],
};

const nearly = attacks(
  "a login with the right password",
  "login",
  NEARLY,
  async ([stored, tried], fixture) => {
    const { username } = await fixture.newUser({ password: stored });
    return {
      request: { username, password: tried },
      reply: INVALID_CREDENTIALS,
      after: async () => {
        assert.equal((await fixture.ask("login", { username, password: stored })).resp_code, 200);
      },
    };
  },
);

/** The attacker tries passwords that bcrypt would truncate, that are easy to guess, or that resemble the right one. */
export const passwords: Attack[] = [...refused, ...nearly];
