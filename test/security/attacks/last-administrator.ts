import assert from "node:assert/strict";
import { attack, type Attack, attacks } from "../attack.ts";
import { LAST_ADMIN } from "../envelopes.ts";
import { PASSWORD, type AttackFixture } from "../fixture.ts";

/** Asserts that an administrator remains. */
function assertRootRemains(fixture: AttackFixture): () => Promise<void> {
  return async () => {
    const id_token = await fixture.idToken({ username: "root", password: PASSWORD });
    const { resp_data } = await fixture.ask("token", { id_token });
    const { access_token } = resp_data;
    const reply = await fixture.ask("group_user", { groupname: "admin", access_token });
    assert.deepEqual([reply.resp_code, (reply.resp_data["users"] as string[]).includes("root")], [200, true]);
  };
}

const alone = [
  attack("the last administrator deletes itself", "user_delete", async (fixture) => ({
    request: { username: "root", access_token: await fixture.adminToken() },
    reply: LAST_ADMIN,
    after: assertRootRemains(fixture),
  })),
  attack(
    "the last administrator deletes itself, spelled in another case",
    "user_delete",
    async (fixture) => ({
      request: { username: "ROOT", access_token: await fixture.adminToken() },
      reply: LAST_ADMIN,
      after: assertRootRemains(fixture),
    }),
  ),
  attack(
    "the last administrator deletes itself with a token of a plain user",
    "user_delete",
    async (fixture) => ({
      request: { username: "root", access_token: await fixture.accessToken("root", []) },
      reply: LAST_ADMIN,
    }),
  ),
  ...attacks(
    "the last administrator deactivates itself,",
    "user_change",
    {
      only: { username: "root", activated: false },
      "in another case": { username: "Root", activated: false },
      "with a new password": { username: "root", activated: false, password: "quite another one" },
      "with a new email": { username: "root", activated: false, email: "gone@example.com" },
    },
    async (fields, fixture) => ({
      request: { ...fields, access_token: await fixture.adminToken() },
      reply: LAST_ADMIN,
      after: assertRootRemains(fixture),
    }),
  ),
  attack("the last administrator leaves the group", "group_remove_user", async (fixture) => ({
    request: { groupname: "admin", username: "root", access_token: await fixture.adminToken() },
    reply: LAST_ADMIN,
    after: assertRootRemains(fixture),
  })),
  attack(
    "the last administrator leaves the group, spelled in another case",
    "group_remove_user",
    async (fixture) => ({
      request: { groupname: "admin", username: "rOOt", access_token: await fixture.adminToken() },
      reply: LAST_ADMIN,
    }),
  ),
  attack("the admin group is deleted", "group_delete", async (fixture) => ({
    request: { groupname: "admin", access_token: await fixture.adminToken() },
    reply: LAST_ADMIN,
    after: assertRootRemains(fixture),
  })),
  attack(
    "an administrator of another issuer deletes the last administrator",
    "user_delete",
    async (fixture) => ({
      request: { username: "root", access_token: await fixture.accessToken("somebody-else", ["admin"]) },
      reply: LAST_ADMIN,
    }),
  ),
];

/** Members of the group who do not count as administrators. */
const NO_SUCCESSORS = {
  "a deactivated user": { activated: false },
  "a directory user": { authType: "LDAP" },
  "a Kerberos user": { authType: "KERBEROS" },
} as const;

const successors = attacks(
  "the last local administrator is deleted, and the other member of the group is",
  "user_delete",
  NO_SUCCESSORS,
  async (options, fixture) => {
    const { username } = await fixture.newUser(options);
    const access_token = await fixture.adminToken();
    const membership = { groupname: "admin", username, access_token };
    assert.equal((await fixture.ask("group_add_user", membership)).resp_code, 200);
    return {
      request: { username: "root", access_token },
      reply: LAST_ADMIN,
      after: async () => {
        assert.equal((await fixture.ask("group_remove_user", membership)).resp_code, 200);
        await assertRootRemains(fixture)();
      },
    };
  },
);

/** The attacker tries to remove the last administrator, with or without rights. */
export const lastAdministrator: Attack[] = [...alone, ...successors];
