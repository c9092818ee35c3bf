import { createHash, randomBytes } from "node:crypto";
import { toSqlTime } from "../../../src/db/time.ts";
import { formatApiKey } from "../../../src/tokens/api-key.ts";
import { noteName } from "../../secrets/notes.ts";
import { attack, type Attack, attacks } from "../attack.ts";
import {
  API_KEY_NOT_FOUND,
  FORBIDDEN,
  INACTIVE,
  INVALID_CREDENTIALS,
  INVALID_TOKEN,
  invalid,
  MISSING,
  NOT_A_STRING,
  NOT_ACTIVATED,
} from "../envelopes.ts";
import { type AttackFixture, PASSWORD } from "../fixture.ts";
import { type ApiKey, GUESSED_IDS, keyOf, logIn, MISTYPED_IDS, tokenOf } from "../holders.ts";

const guesses = [
  ...attacks(
    "a revocation of an own API key whose id is",
    "api_key_revoke",
    GUESSED_IDS,
    async (id, fixture) => {
      const key = await keyOf(fixture);
      return {
        request: { username: key.username, id, access_token: await tokenOf(fixture, key) },
        reply: API_KEY_NOT_FOUND,
      };
    },
  ),
  ...attacks(
    "a revocation of an API key whose id is",
    "api_key_revoke",
    MISTYPED_IDS,
    async (id, fixture) => ({
      request: { username: "alice", id, access_token: await fixture.adminToken() },
      reply: invalid(["id", NOT_A_STRING]),
    }),
  ),
];

const foreign = [
  attack("a user lists the API keys of a service", "api_key_all", async (fixture) => ({
    request: { username: (await keyOf(fixture)).username, access_token: (await logIn(fixture)).access_token },
    reply: FORBIDDEN,
  })),
  attack(
    "a service revokes the API key of another service in its own name",
    "api_key_revoke",
    async (fixture) => {
      const own = await keyOf(fixture);
      const { id } = await keyOf(fixture);
      return {
        request: { username: own.username, id, access_token: await tokenOf(fixture, own) },
        reply: API_KEY_NOT_FOUND,
      };
    },
  ),
  attack("a service revokes the API key of another service", "api_key_revoke", async (fixture) => {
    const { username, id } = await keyOf(fixture);
    return {
      request: { username, id, access_token: await tokenOf(fixture, await keyOf(fixture)) },
      reply: FORBIDDEN,
    };
  }),
  attack("a user creates an API key for itself", "api_key_create", async (fixture) => {
    const { username, access_token } = await logIn(fixture);
    return { request: { username, name: "mine", access_token }, reply: FORBIDDEN };
  }),
  attack("a user creates an API key for the administrator", "api_key_create", async (fixture) => ({
    request: { username: "root", name: "mine", access_token: (await logIn(fixture)).access_token },
    reply: FORBIDDEN,
  })),
  attack("a service creates another API key for itself", "api_key_create", async (fixture) => {
    const key = await keyOf(fixture);
    const access_token = await tokenOf(fixture, key);
    return { request: { username: key.username, name: "more", access_token }, reply: FORBIDDEN };
  }),
];

/** Changes by which a stolen API key could outlive its revocation. */
const escapes = [
  attack("a stolen API key sets a password for its account", "user_change", async (fixture) => {
    const key = await keyOf(fixture, ["admin"]);
    const access_token = await tokenOf(fixture, key);
    return { request: { username: key.username, password: PASSWORD, access_token }, reply: FORBIDDEN };
  }),
  attack("a stolen API key deletes its account", "user_delete", async (fixture) => {
    const key = await keyOf(fixture);
    const access_token = await tokenOf(fixture, key);
    return { request: { username: key.username, access_token }, reply: FORBIDDEN };
  }),
  attack(
    "an API key that is limited to no group uses the administrator's rights",
    "group_create",
    async (fixture) => {
      const { username } = await fixture.newUser({ authType: "SERVICE", groups: ["admin"] });
      const request = { username, name: "limited", groups: [], access_token: await fixture.adminToken() };
      const { api_key } = (await fixture.ask("api_key_create", request)).resp_data;
      const { access_token } = (await fixture.ask("token", { api_key })).resp_data;
      return { request: { groupname: "never-made", access_token }, reply: FORBIDDEN };
    },
  ),
];

/** Texts that are no API key of this installation. */
const FORGED_KEYS: Readonly<Record<string, (key: ApiKey) => string>> = {
  "a new one with a correct checksum": () => formatApiKey(randomBytes(32)),
  "another checksum": ({ api_key }) => `${api_key.slice(0, -1)}${api_key.endsWith("a") ? "b" : "a"}`,
  "one other character": ({ api_key }) => api_key.replace(/^authmq_./, (start) => flipped(start)),
  "lower case": ({ api_key }) => api_key.toLowerCase(),
  "a newline at its end": ({ api_key }) => `${api_key}\n`,
  "a NUL at its end": ({ api_key }) => `${api_key}\0`,
  "a space before it": ({ api_key }) => ` ${api_key}`,
  "a longer end": ({ api_key }) => `${api_key}${"x".repeat(33_000)}`,
  "its SHA-256, as in the database": ({ api_key }) => {
    const digest = createHash("sha256").update(api_key).digest("hex");
    // The database contains it legitimately, although it is used as a key here.
    noteName(digest);
    return digest;
  },
  "its id": ({ id }) => id,
  "its prefix": () => "authmq_",
  "nothing in it": () => "",
  SQL: () => "' or '1'='1",
};

/** Another last character. */
function flipped(text: string): string {
  return text.slice(0, -1) + (text.endsWith("A") ? "B" : "A");
}

const forgedKeys = attacks("an API key with", "token", FORGED_KEYS, async (forge, fixture) => ({
  request: { api_key: forge(await keyOf(fixture)) },
  reply: INVALID_TOKEN,
}));

/** Events after which an API key is invalid. */
const KEY_ENDS: Readonly<Record<string, (fixture: AttackFixture, key: ApiKey) => Promise<unknown>>> = {
  "its revocation": async ({ ask, adminToken }, { username, id }) =>
    ask("api_key_revoke", { username, id, access_token: await adminToken() }),
  "its expiry": ({ db }, { id }) =>
    db
      .updateTable("api_key")
      .set({ expires_at: toSqlTime(new Date(Date.now() - 1)) })
      .where("api_key_id", "=", BigInt(id))
      .execute(),
  "the deletion of its account": async ({ ask, adminToken }, { username }) =>
    ask("user_delete", { username, access_token: await adminToken() }),
  "the deletion of its account, whose name was used again": async (fixture, { username }) => {
    await fixture.ask("user_delete", { username, access_token: await fixture.adminToken() });
    await fixture.newUser({ username, authType: "SERVICE" });
  },
};

const endedKeys = [
  ...attacks("an API key after", "token", KEY_ENDS, async (end, fixture) => {
    const key = await keyOf(fixture);
    await end(fixture, key);
    return { request: { api_key: key.api_key }, reply: INVALID_TOKEN };
  }),
  ...attacks("an access token of an API key after", "group_create", KEY_ENDS, async (end, fixture) => {
    const key = await keyOf(fixture, ["admin"]);
    const access_token = await tokenOf(fixture, key);
    await end(fixture, key);
    return { request: { groupname: "never-made", access_token }, reply: INVALID_TOKEN };
  }),
  attack("an introspection of an access token whose API key was revoked", "introspect", async (fixture) => {
    const key = await keyOf(fixture);
    const token = await tokenOf(fixture, key);
    await KEY_ENDS["its revocation"]!(fixture, key);
    return { request: { token }, reply: INACTIVE };
  }),
  attack("an API key of a deactivated account", "token", async (fixture) => {
    const key = await keyOf(fixture);
    const { username } = key;
    await fixture.ask("user_change", {
      username,
      activated: false,
      access_token: await fixture.adminToken(),
    });
    return { request: { api_key: key.api_key }, reply: NOT_ACTIVATED };
  }),
];

const misplacedKeys = [
  attack("an API key instead of an access token", "group_create", async (fixture) => {
    const { api_key } = await keyOf(fixture, ["admin"]);
    return { request: { groupname: "never-made", access_token: api_key }, reply: INVALID_TOKEN };
  }),
  attack("an API key instead of an ID token", "token", async (fixture) => ({
    request: { id_token: (await keyOf(fixture)).api_key },
    reply: INVALID_TOKEN,
  })),
  attack("an API key as a password", "login", async (fixture) => {
    const { username, api_key } = await keyOf(fixture);
    return { request: { username, password: api_key }, reply: INVALID_CREDENTIALS };
  }),
  attack("an introspection of an API key", "introspect", async (fixture) => ({
    request: { token: (await keyOf(fixture)).api_key },
    reply: INACTIVE,
  })),
  ...attacks(
    "an API key as",
    "token",
    { "a list": (key: string) => [key], "an object": (key: string) => ({ key }), "a number": () => 7 },
    async (wrap, fixture) => ({
      request: { api_key: wrap((await keyOf(fixture)).api_key) },
      reply: invalid(["api_key", NOT_A_STRING]),
    }),
  ),
];

const services = [
  ...attacks(
    "a password of a service account:",
    "login",
    { "the usual one": PASSWORD, "an empty text": "", "a NUL": "\0", "its name": "of-the-account" },
    async (password, fixture) => {
      const { username } = await keyOf(fixture);
      return { request: { username, password }, reply: INVALID_CREDENTIALS };
    },
  ),
  attack("a service account with a password", "user_admin_create", async (fixture) => ({
    request: {
      username: fixture.newName(),
      auth_type: "SERVICE",
      password: PASSWORD,
      access_token: await fixture.adminToken(),
    },
    reply: invalid([
      "password",
      "must be omitted: the directory or KDC verifies this user's password, and a service has API keys instead",
    ]),
  })),
  attack("an account of a person without an email", "user_admin_create", async (fixture) => ({
    request: { username: fixture.newName(), password: PASSWORD, access_token: await fixture.adminToken() },
    reply: invalid(["email", MISSING]),
  })),
];

/** The attacker has another account's API key or its id. */
export const apiKeys: Attack[] = [
  ...guesses,
  ...foreign,
  ...escapes,
  ...forgedKeys,
  ...endedKeys,
  ...misplacedKeys,
  ...services,
];
