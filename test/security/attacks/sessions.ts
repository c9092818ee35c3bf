import type { QueueName } from "../../../src/wire/queues.ts";
import { attack, type Attack, attacks, type AttackContext } from "../attack.ts";
import {
  FORBIDDEN,
  INVALID_TOKEN,
  invalid,
  NOT_A_STRING,
  NOT_ACTIVATED,
  SESSION_NOT_FOUND,
} from "../envelopes.ts";
import type { AttackFixture } from "../fixture.ts";
import { type ApiKey, GUESSED_IDS, keyOf, logIn, MISTYPED_IDS, type Victim } from "../holders.ts";
import { ACCESS_QUEUES } from "./stolen-id-tokens.ts";

const guesses = [
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
    "a revocation of a session whose id is",
    "session_revoke",
    MISTYPED_IDS,
    async (sid, fixture) => ({
      request: { sid, access_token: (await logIn(fixture)).access_token },
      reply: invalid(["sid", NOT_A_STRING]),
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
    const root = { sub: "root", user: "root", groups: ["admin"], sid: undefined };
    const access_token = fixture.signedAccess({ ...root, ...grant });
    return { request: { groupname: "never-made", access_token }, reply: INVALID_TOKEN };
  },
);

/** An administrator, and what happened since its access token was issued. */
const DISMISSALS: Readonly<
  Record<
    string,
    {
      readonly reply: AttackContext["reply"];
      readonly dismiss: (fixture: AttackFixture, name: string) => Promise<unknown>;
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

/** The attacker has another user's session or its id, or was an administrator. */
export const sessions: Attack[] = [...guesses, ...foreign, ...grants, ...dismissed, ...renewals];
