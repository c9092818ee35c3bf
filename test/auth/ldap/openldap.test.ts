import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Attribute, type Client } from "ldapts";
import { decodeJwt } from "jose";
import { DIRECTORY_PASSWORD, useDirectory } from "../../support/directory.ts";
import { lastLine } from "../../support/log-lines.ts";
import { assertRefusedLogin } from "../../support/refused-login.ts";
import { assertRefused, dataOf } from "../../support/replies.ts";
import { type Attributes, missingFor, withClient } from "../../support/servers/directories.ts";
import type { TestWorker } from "../../support/worker.ts";

const skip = missingFor("openldap") ?? false;
/** Each exchange of an ID token revalidates the user. */
const ALWAYS = { revalidate_minutes: 0.000_01 };
/** More than OpenLDAP's default limit of 500 entries, which counts for all pages together. */
const MANY = 620;

describe("OpenLDAP", { skip }, () => {
  const suffix = "dc=ad,dc=local";
  const policy = `cn=policy,${suffix}`;
  const directory = useDirectory({
    settings: ["moduleload ppolicy"],
    overlays: ["overlay ppolicy", `ppolicy_default "${policy}"`, "ppolicy_use_lockout"],
  });
  let named: TestWorker;
  let searching: TestWorker;
  before(async () => {
    await directory.ldap.addEntry(policy, {
      objectClass: ["device", "pwdPolicy"],
      cn: "policy",
      pwdAttribute: "userPassword",
      pwdLockout: "TRUE",
      pwdMaxFailure: "3",
      pwdMustChange: "TRUE",
    });
    named = await directory.start({ ...directory.service, ...ALWAYS });
    searching = await directory.start({ ...directory.service, ...ALWAYS, bind: "search" });
  });
  after(() => Promise.all([named, searching].map((worker) => worker[Symbol.asyncDispose]())));

  const fail = async (worker: TestWorker, username: string): Promise<void> => {
    for (let attempt = 0; attempt < 3; attempt++)
      assertRefused(await worker.call("login", { username, password: "nope" }), 401, "INVALID_CREDENTIALS");
  };

  test("refuses the login of an account that failed logins have locked, and ends its session", async () => {
    for (const [index, worker] of [named, searching].entries()) {
      const username = `locked${index}`;
      await directory.add(username);
      const id_token = await worker.login(username, DIRECTORY_PASSWORD);
      dataOf(await worker.call("token", { id_token }));
      await fail(worker, username);
      await assertRefusedLogin(worker, { username, password: DIRECTORY_PASSWORD }, "locked");
      assertRefused(await worker.call("token", { id_token }), 401, "INVALID_TOKEN");
      assert.equal((await lastLine(worker, "the directory ended a session"))["reason"], "locked");
    }
  });

  for (const [what, attributes, label] of [
    ["whose password was reset", { pwdReset: "TRUE" }, "must-change"],
    ["that an administrator has locked", { pwdAccountLockedTime: "000001010000Z" }, "disabled"],
  ] as const satisfies readonly (readonly [string, Attributes, string])[]) {
    test(`ends the session of an account ${what}`, async () => {
      const username = `state-${label}`;
      const dn = await directory.add(username);
      const id_token = await named.login(username, DIRECTORY_PASSWORD);
      await directory.ldap.setAttributes(dn, attributes);
      assertRefused(await named.call("token", { id_token }), 401, "INVALID_TOKEN");
      assert.equal((await lastLine(named, "the directory ended a session"))["reason"], label);
    });
  }

  test("refuses a login with a reset password, with each way to bind", async () => {
    for (const [index, worker] of [named, searching].entries()) {
      const username = `reset${index}`;
      await directory.ldap.setAttributes(await directory.add(username), { pwdReset: "TRUE" });
      await assertRefusedLogin(worker, { username, password: DIRECTORY_PASSWORD }, "must-change");
    }
  });

  describe("with more groups of a user than its size limit", () => {
    const names = Array.from(
      { length: MANY },
      (_, index) => `API_PERMteam ${String(index).padStart(4, "0")}`,
    );
    before(async () => {
      const dn = await directory.add("everywhere");
      const { ldap } = directory;
      await withClient(
        { url: ldap.url, dn: ldap.rootDn, password: ldap.rootPassword },
        async (client: Client) => {
          const add = (cn: string, member: string[]): Promise<void> =>
            client.add(`cn=${cn},${ldap.groupsDn}`, [
              new Attribute({ type: "objectClass", values: ["groupOfNames"] }),
              new Attribute({ type: "cn", values: [cn] }),
              new Attribute({ type: "member", values: member }),
            ]);
          for (const cn of names) await add(cn, [dn]);
          // A group that contains all of these, and a circular membership.
          await add(
            "API_PERMouter",
            names.map((cn) => `cn=${cn},${ldap.groupsDn}`),
          );
          await add("API_PERMcircle", [`cn=API_PERMouter,${ldap.groupsDn}`]);
          await ldap.addMember("API_PERMouter", `cn=API_PERMcircle,${ldap.groupsDn}`);
        },
      );
    });

    test("finds all of them with nested_groups, with each way to bind", async () => {
      const expected = ["circle", "outer", ...names.map((name) => name.slice("API_PERM".length))].sort();
      for (const bind of [{}, { bind: "search" }]) {
        await using worker = await directory.start(
          { ...directory.service, ...ALWAYS, ...bind, nested_groups: true, timeout_ms: 20_000 },
          "sqlite",
          { group_regex: ".{1,50}" },
        );
        const reply = dataOf(
          await worker.call("login", { username: "everywhere", password: DIRECTORY_PASSWORD }),
        );
        const groups = await worker.db
          .selectFrom("usergroup")
          .select("groupname")
          .where("username", "=", "everywhere")
          .execute();
        assert.deepEqual(groups.map(({ groupname }) => groupname).sort(), expected);
        assert.ok(decodeJwt(reply["id_token"] as string).sub, "the ID token has no subject");
      }
    });

    test("is 503 with advice in the log if the group names do not allow to split the search", async () => {
      const { ldap } = directory;
      const dn = await directory.add("same-names");
      await withClient({ url: ldap.url, dn: ldap.rootDn, password: ldap.rootPassword }, async (client) => {
        for (let index = 0; index < MANY; index++) {
          const unit = `ou=u${index},${ldap.groupsDn}`;
          await client.add(unit, { objectClass: "organizationalUnit", ou: `u${index}` });
          await client.add(`cn=API_PERMsame,${unit}`, {
            objectClass: "groupOfNames",
            cn: "API_PERMsame",
            member: dn,
          });
        }
      });
      await using worker = await directory.start({ nested_groups: true, timeout_ms: 20_000 });
      assertRefused(
        await worker.call("login", { username: "same-names", password: DIRECTORY_PASSWORD }),
        503,
        "UNAVAILABLE",
      );
      const { reason } = await lastLine(worker, "a request failed");
      assert.match(String(reason), /only a part of the groups.*groups_base_dn/);
    });
  });
});
