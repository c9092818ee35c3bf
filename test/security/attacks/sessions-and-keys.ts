import { createHash, randomBytes } from "node:crypto";
import { toSqlTime } from "../../../src/db/time.ts";
import { formatApiKey } from "../../../src/tokens/api-key.ts";
import type { QueueName } from "../../../src/wire/queues.ts";
import { decodePart } from "../../tokens/craft.ts";
import { attack, type Attack, attacks, type AttackContext } from "../attack.ts";
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
  SESSION_NOT_FOUND,
} from "../envelopes.ts";
import { PASSWORD, type AttackFixture } from "../fixture.ts";
import { ACCESS_QUEUES } from "./stolen-id-tokens.ts";

/** A user who has logged in. */
interface Victim {
  readonly username: string;
  readonly sid: string;
  readonly id_token: string;
  readonly access_token: string;
}

async function logIn(fixture: AttackFixture, groups: readonly string[] = []): Promise<Victim> {
  const person = await fixture.newUser({ groups });
  const id_token = await fixture.idToken(person);
  const { resp_data } = await fixture.ask("token", { id_token });
  const access_token = String(resp_data["access_token"]);
  return { username: person.username, sid: String(decodePart(id_token, 0)["kid"]), id_token, access_token };
}

interface ApiKey {
  readonly username: string;
  readonly id: string;
  readonly api_key: string;
}

/** A service with an API key. */
async function keyOf(fixture: AttackFixture, groups: readonly string[] = []): Promise<ApiKey> {
  const { username } = await fixture.newUser({ authType: "SERVICE", groups });
  const request = { username, name: "attacked", access_token: await fixture.adminToken() };
  const { resp_data } = await fixture.ask("api_key_create", request);
  return { username, id: String(resp_data["id"]), api_key: String(resp_data["api_key"]) };
}

async function tokenOf({ ask }: AttackFixture, { api_key }: ApiKey): Promise<string> {
  return String((await ask("token", { api_key })).resp_data["access_token"]);
}

/** What an attacker may send as the id of a session or key. */
const GUESSED_IDS: Readonly<Record<string, string>> = {
  zero: "0",
  "a small number": "1",
  "a negative number": "-1",
  "the largest number and one": "9223372036854775808",
  "a number in hexadecimal": "0x10",
  "a number with an exponent": "1e18",
  "a leading zero": "01",
  "nothing in between": "",
  "a wildcard": "%",
  SQL: "1 or 1=1",
  "digits of another script": "\u0661\u0662\u0663",
};

/** An id in another type than text. */
const MISTYPED_IDS: Readonly<Record<string, unknown>> = {
  "a number": 1,
  "a list": ["1"],
  "an object": { $ne: "0" },
  true: true,
};

const idGuesses = [
  ...attacks(
    "a revocation of an own session whose id is",
    "session_revoke",
    GUESSED_IDS,
    async (sid, fixture) => ({
      request: { sid, access_token: (await logIn(fixture)).access_token },
      reply: SESSION_NOT_FOUND,
    }),
  ),
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
    "a revocation of a session whose id is",
    "session_revoke",
    MISTYPED_IDS,
    async (sid, fixture) => ({
      request: { sid, access_token: (await logIn(fixture)).access_token },
      reply: invalid(["sid", NOT_A_STRING]),
    }),
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
  attack("a user lists the sessions of the administrator", "session_all", async (fixture) => ({
    request: { username: "root", access_token: (await logIn(fixture)).access_token },
    reply: FORBIDDEN,
  })),
  attack("a user revokes another user's session by its sid", "session_revoke", async (fixture) => ({
    request: { sid: (await logIn(fixture)).sid, access_token: (await logIn(fixture)).access_token },
    reply: SESSION_NOT_FOUND,
  })),
  attack(
    "a user revokes another user's session by its sid and its user",
    "session_revoke",
    async (fixture) => {
      const { username, sid } = await logIn(fixture);
      return {
        request: { username, sid, access_token: (await logIn(fixture)).access_token },
        reply: FORBIDDEN,
      };
    },
  ),
  attack(
    "an administrator revokes a session of one user in the name of another",
    "session_revoke",
    async (fixture) => ({
      request: {
        username: "alice",
        sid: (await logIn(fixture)).sid,
        access_token: await fixture.adminToken(),
      },
      reply: SESSION_NOT_FOUND,
    }),
  ),
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
  "its SHA-256, as in the database": ({ api_key }) => createHash("sha256").update(api_key).digest("hex"),
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

/** Claims of a token that this installation's key has signed, for another session than the caller's. */
const FOREIGN_GRANTS: Readonly<Record<string, (victim: Victim, key: ApiKey) => object>> = {
  "no session": () => ({}),
  "a session that is not there": () => ({ sid: "1" }),
  "the session of another user": ({ sid }) => ({ sid }),
  "the session as a number": ({ sid }) => ({ sid: Number(sid) }),
  "the API key of another account": (_victim, { id }) => ({ api_key_id: id }),
  "a session and an API key": ({ sid }, { id }) => ({ sid, api_key_id: id }),
};

const grants = attacks(
  "an access token of the administrator with",
  "group_create",
  FOREIGN_GRANTS,
  async (claims, fixture) => {
    const grant = claims(await logIn(fixture), await keyOf(fixture));
    const access_token = fixture.signedAccess({ sub: "root", user: "root", groups: ["admin"], ...grant });
    return { request: { groupname: "never-made", access_token }, reply: INVALID_TOKEN };
  },
);

/** An administrator, and what happened since its access token was issued. */
const DISMISSALS: Readonly<
  Record<
    string,
    {
      readonly reply: AttackContext["reply"];
      dismiss(fixture: AttackFixture, name: string): Promise<unknown>;
    }
  >
> = {
  "that left the admin group": {
    reply: FORBIDDEN,
    dismiss: async ({ ask, adminToken }, username) =>
      ask("group_remove_user", { groupname: "admin", username, access_token: await adminToken() }),
  },
  "whose session was revoked": {
    reply: INVALID_TOKEN,
    dismiss: async ({ ask, adminToken }, username) =>
      ask("session_revoke", { username, access_token: await adminToken() }),
  },
  "that was deactivated": {
    reply: NOT_ACTIVATED,
    dismiss: async ({ ask, adminToken }, username) =>
      ask("user_change", { username, activated: false, access_token: await adminToken() }),
  },
  "that was deleted": {
    reply: INVALID_TOKEN,
    dismiss: async ({ ask, adminToken }, username) =>
      ask("user_delete", { username, access_token: await adminToken() }),
  },
  "that was deleted and created again": {
    reply: INVALID_TOKEN,
    dismiss: async (fixture, username) => {
      await fixture.ask("user_delete", { username, access_token: await fixture.adminToken() });
      await fixture.newUser({ username, groups: ["admin"] });
    },
  },
};

/** The queues by which a dismissed administrator could come back. */
const BACK_DOORS: readonly QueueName[] = [
  "user_admin_create",
  "user_change",
  "group_add_user",
  "api_key_create",
  "session_revoke",
];

const dismissed = BACK_DOORS.flatMap((queue) =>
  attacks(`on ${queue}, an administrator`, queue, DISMISSALS, async ({ reply, dismiss }, fixture) => {
    const { username, access_token } = await logIn(fixture, ["admin"]);
    await dismiss(fixture, username);
    return { request: { ...ACCESS_QUEUES[queue], access_token }, reply };
  }),
);

const renewals = [
  attack(
    "a renewal of a session that was logged out",
    "token",
    async (fixture) => {
      const { id_token } = await logIn(fixture);
      await fixture.ask("logout", { id_token });
      return { request: { id_token, renew: true }, reply: INVALID_TOKEN };
    },
    "closed",
  ),
  attack(
    "a renewal of another user's session by its id",
    "token",
    async (fixture) => {
      const [own, victim] = [await logIn(fixture), await logIn(fixture)];
      const id_token = fixture.resigned(own.id_token, {}, { kid: victim.sid });
      return { request: { id_token, renew: true }, reply: INVALID_TOKEN };
    },
    "closed",
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

/** The attacker has another user's session, API key or id, or was an administrator. */
export const sessionsAndKeys: Attack[] = [
  ...idGuesses,
  ...foreign,
  ...escapes,
  ...forgedKeys,
  ...endedKeys,
  ...misplacedKeys,
  ...grants,
  ...dismissed,
  ...renewals,
  ...services,
];
