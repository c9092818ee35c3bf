import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeJwt } from "jose";
import { use389, useOpenLdap } from "../../support/any-directory.ts";
import { LOGIN_GROUP, DIRECTORY_PASSWORD } from "../../support/directory.ts";
import { assertRefusedLogin, usersIn } from "../../support/refused-login.ts";
import { dataOf } from "../../support/replies.ts";
import { missingFor } from "../../support/servers/directories.ts";
import { DATABASES, type TestWorker } from "../../support/worker.ts";

const USER_FILTER = { user_filter: "(&(objectClass=inetOrgPerson)(uid={username}))" };
const subjectOf = (token: string): unknown => decodeJwt(token).sub;

for (const [server, kind, use] of [
  ["openldap", "OpenLDAP", useOpenLdap],
  ["ds389", "389 Directory Server", use389],
] as const) {
  describe(`a person with several login names in ${kind}`, { skip: missingFor(server) ?? false }, () => {
    const directory = use();
    const addPerson = async (uid: readonly string[], cn = uid[0]!): Promise<string> => {
      const dn = `uid=${cn},${directory.usersDn}`;
      await directory.addEntry(dn, {
        objectClass: "inetOrgPerson",
        ...{ uid, cn, sn: cn, userPassword: DIRECTORY_PASSWORD },
      });
      await directory.join(LOGIN_GROUP, dn);
      return dn;
    };

    for (const database of DATABASES) {
      test(`has one account, for each name as the first login, on ${database}`, async () => {
        for (const [index, order] of [
          [0, 1, 2],
          [2, 1, 0],
          [1, 0, 2],
        ].entries()) {
          await using worker = await directory.start({ ...USER_FILTER, ...directory.service }, database);
          const names = ["main", "alias", "Other"].map((name) => `${name}-${index}-${database}`);
          await addPerson(
            ["alias", "main", "Other"].map((name) => `${name}-${index}-${database}`),
            names[0],
          );
          for (const at of order)
            assert.equal(subjectOf(await worker.login(names[at]!, DIRECTORY_PASSWORD)), names[0]);
          assert.equal(subjectOf(await worker.login(names[2]!.toUpperCase(), DIRECTORY_PASSWORD)), names[0]);
          assert.deepEqual(await usersIn(worker), [names[0]]);
        }
      });
    }

    describe("whose account", () => {
      let worker: TestWorker;
      before(async () => {
        worker = await directory.start({
          ...USER_FILTER,
          ...directory.service,
          revalidate_minutes: 0.000_01,
        });
      });
      after(() => worker[Symbol.asyncDispose]());

      test("was created with another name by an earlier version keeps that name", async () => {
        await addPerson(["today", "before"]);
        await worker.addUser("before", DIRECTORY_PASSWORD, { authType: "LDAP" });
        assert.equal(subjectOf(await worker.login("today", DIRECTORY_PASSWORD)), "before");
        assert.deepEqual(await usersIn(worker), ["before"]);
      });

      test("stays the same if the directory returns the names in another order or case", async () => {
        const third = server === "ds389" ? "juergen" : "jürgen"; // 389 Directory Server accepts only ASCII
        const dn = await addPerson(["stable", "zweit", third]);
        await using loose = await directory.start({ ...USER_FILTER, ...directory.service }, "sqlite", {
          username_regex: ".{1,64}",
        });
        assert.equal(subjectOf(await loose.login(third.toUpperCase(), DIRECTORY_PASSWORD)), "stable");
        await directory.changes.setAttributes(dn, { uid: ["ZWEIT", third.toUpperCase(), "stable"] });
        assert.equal(subjectOf(await loose.login(third, DIRECTORY_PASSWORD)), "stable");
        assert.equal(subjectOf(await loose.login("zweit", DIRECTORY_PASSWORD)), "stable");
      });

      test("keeps its session as long as the user has the name", async () => {
        const dn = await addPerson(["going", "gone"]);
        const id_token = await worker.login("gone", DIRECTORY_PASSWORD);
        dataOf(await worker.call("token", { id_token }));
        await directory.changes.setAttributes(dn, { uid: ["going"] });
        dataOf(await worker.call("token", { id_token }));
      });

      test("does not get the name of a local account or another user", async () => {
        await worker.addUser("local-name", DIRECTORY_PASSWORD);
        await addPerson(["local-name", "guest-name"]);
        assert.equal(subjectOf(await worker.login("guest-name", DIRECTORY_PASSWORD)), "guest-name");
        // An older account of another person, whose name the new person has now.
        const first = await addPerson(["taken-name"]);
        assert.equal(subjectOf(await worker.login("taken-name", DIRECTORY_PASSWORD)), "taken-name");
        await directory.changes.deleteEntry(first);
        await addPerson(["taken-name", "free-name"], "free-name");
        assert.equal(subjectOf(await worker.login("free-name", DIRECTORY_PASSWORD)), "free-name");
        await assertRefusedLogin(
          worker,
          { username: "taken-name", password: DIRECTORY_PASSWORD },
          "another-person",
        );
      });

      test("is not shared by two users who have the same name", async () => {
        await addPerson(["victim"]);
        await worker.addUser("victim", DIRECTORY_PASSWORD, { authType: "LDAP" });
        await addPerson(["mallory", "victim"]);
        assert.equal(subjectOf(await worker.login("mallory", DIRECTORY_PASSWORD)), "mallory");
        await assertRefusedLogin(worker, { username: "victim", password: DIRECTORY_PASSWORD }, "ambiguous");
      });

      test("gets a name that username_regex accepts", async () => {
        await addPerson(["j.doe", "jdoe"]);
        assert.equal(subjectOf(await worker.login("jdoe", DIRECTORY_PASSWORD)), "jdoe");
      });
    });

    test("logs in with the name in the DN if users bind by DN", async () => {
      await using worker = await directory.start({
        ...USER_FILTER,
        bind: `uid={username},${directory.usersDn}`,
      });
      await addPerson(["template", "second"]);
      assert.equal(subjectOf(await worker.login("template", DIRECTORY_PASSWORD)), "template");
      await assertRefusedLogin(worker, { username: "second", password: DIRECTORY_PASSWORD }, "ldap-49");
    });
  });
}
