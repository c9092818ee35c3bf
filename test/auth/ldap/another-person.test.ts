import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeJwt } from "jose";
import { ANY_DIRECTORY, type AnyDirectory, use389 } from "../../support/any-directory.ts";
import { DIRECTORY_PASSWORD } from "../../support/directory.ts";
import { diagnose } from "../../support/doctor.ts";
import { lastLine, linesOf } from "../../support/log-lines.ts";
import { assertRefusedLogin } from "../../support/refused-login.ts";
import { assertRefused, dataOf } from "../../support/replies.ts";
import { missingFor, withClient } from "../../support/servers/directories.ts";
import { DATABASES, type TestWorker } from "../../support/worker.ts";

const NO_IDS = "the directory returns no entry ids: a reused login name cannot be detected";
const ENDED = "the directory ended a session";
/** Each exchange of an ID token revalidates the user. */
const ALWAYS = { revalidate_minutes: 0.000_01 };

const rowOf = ({ db }: TestWorker, username: string) =>
  db.selectFrom("user").selectAll().where("username", "=", username).executeTakeFirstOrThrow();
const tokensOf = ({ db }: TestWorker, username: string) =>
  db.selectFrom("token").selectAll().where("user_id", "=", username).execute();
const setId = ({ db }: TestWorker, username: string, external_id: string | null) =>
  db.updateTable("user").set({ external_id }).where("username", "=", username).execute();

async function groupsOf(worker: TestWorker, id_token: string): Promise<unknown> {
  const { access_token } = dataOf(await worker.call("token", { id_token }));
  return decodeJwt(access_token as string)["groups"];
}

async function revocationsOf({ db }: TestWorker, username: string): Promise<unknown[]> {
  const query = db.selectFrom("event").select("data").where("type", "=", "session.revoked");
  const events = await query.where("username", "=", username).execute();
  return events.map(({ data }) => (JSON.parse(data) as { detail?: unknown }).detail);
}

/** Deletes a user and gives the login name to another person with other groups and the same password. */
async function replacePerson(
  directory: AnyDirectory,
  dn: string,
  name: string,
  groups: string[],
): Promise<string> {
  await directory.changes.deleteEntry(dn);
  return directory.add(name, groups);
}

for (const [server, kind, use] of ANY_DIRECTORY) {
  describe(`a login name of ${kind} that another person gets`, { skip: missingFor(server) ?? false }, () => {
    const directory = use();

    for (const database of DATABASES) {
      describe(`on ${database}`, () => {
        let worker: TestWorker;
        let unchecked: TestWorker;
        before(async () => {
          worker = await directory.start({ ...directory.service, ...ALWAYS }, database);
          unchecked = await directory.start({}, database);
        });
        after(() => Promise.all([worker, unchecked].map((one) => one[Symbol.asyncDispose]())));

        test("ends the session of the first person at the next exchange of the ID token", async () => {
          const name = `heir-${database}`;
          const dn = await directory.add(name, ["API_PERMfirst"]);
          const id_token = await worker.login(name, DIRECTORY_PASSWORD);
          assert.deepEqual(await groupsOf(worker, id_token), ["first"]);
          await replacePerson(directory, dn, name, ["API_PERMadmin"]);
          assertRefused(await worker.call("token", { id_token }), 401, "INVALID_TOKEN");
          assert.deepEqual(await tokensOf(worker, name), []);
          assert.equal((await lastLine(worker, ENDED))["reason"], "another-person");
          assert.deepEqual(await revocationsOf(worker, name), ["another-person"]);
          assertRefused(await worker.call("token", { id_token }), 401, "INVALID_TOKEN");
        });

        test("refuses the second person until the account is deleted, and ends its session", async () => {
          const name = `login-${database}`;
          const dn = await directory.add(name, ["API_PERMfirst"]);
          const id_token = await unchecked.login(name, DIRECTORY_PASSWORD);
          await replacePerson(directory, dn, name, ["API_PERMsecond"]);
          assert.deepEqual(
            await groupsOf(unchecked, id_token),
            ["first"],
            "the user was not revalidated yet",
          );
          for (let round = 0; round < 2; round++)
            await assertRefusedLogin(
              unchecked,
              { username: name, password: DIRECTORY_PASSWORD },
              "another-person",
            );
          assertRefused(await unchecked.call("token", { id_token }), 401, "INVALID_TOKEN");
          assert.deepEqual(await revocationsOf(unchecked, name), ["another-person"], "once");
          await unchecked.addUser(`boss-${database}`, DIRECTORY_PASSWORD, { groups: ["admin"] });
          const boss = await unchecked.login(`boss-${database}`, DIRECTORY_PASSWORD);
          const { access_token } = dataOf(await unchecked.call("token", { id_token: boss }));
          dataOf(await unchecked.call("user_delete", { username: name, access_token }));
          const second = await unchecked.login(name, DIRECTORY_PASSWORD);
          assert.deepEqual(await groupsOf(unchecked, second), ["second"]);
          assertRefused(await unchecked.call("token", { id_token }), 401, "INVALID_TOKEN");
        });

        test("is detected for accounts without stored ids after their next login", async () => {
          const name = `legacy-${database}`;
          const dn = await directory.add(name, ["API_PERMfirst"]);
          await unchecked.login(name, DIRECTORY_PASSWORD);
          const { external_id } = await rowOf(unchecked, name);
          assert.match(String(external_id), /^[0-9a-f-]{35,36}$/);
          await setId(unchecked, name, null);
          await unchecked.login(name, DIRECTORY_PASSWORD);
          assert.equal((await rowOf(unchecked, name)).external_id, external_id);
          await replacePerson(directory, dn, name, []);
          await assertRefusedLogin(
            unchecked,
            { username: name, password: DIRECTORY_PASSWORD },
            "another-person",
          );
        });

        test("does not end a session without stored ids, and stores no id at revalidation", async () => {
          const name = `resting-${database}`;
          await directory.add(name, ["API_PERMkept"]);
          const id_token = await worker.login(name, DIRECTORY_PASSWORD);
          await setId(worker, name, null);
          assert.deepEqual(await groupsOf(worker, id_token), ["kept"]);
          assert.equal((await rowOf(worker, name)).external_id, null, "there was no login with a password");
        });

        test("gives the account to only one of two people who log in at once", async () => {
          const name = `race-${database}`;
          await directory.add(name, ["API_PERMmine"]);
          await unchecked.login(name, DIRECTORY_PASSWORD);
          const { external_id } = await rowOf(unchecked, name);
          // Change the id in the middle: half of the logins come before, half after the change.
          for (let round = 0; round < 4; round++) {
            await setId(unchecked, name, null);
            const logins = Array.from({ length: 6 }, () =>
              unchecked.call("login", { username: name, password: DIRECTORY_PASSWORD }),
            );
            const other = "00000000-0000-4000-8000-000000000000";
            await unchecked.db
              .updateTable("user")
              .set({ external_id: other })
              .where("username", "=", name)
              .where("external_id", "is", null)
              .execute();
            const replies = await Promise.all(logins);
            const now = (await rowOf(unchecked, name)).external_id;
            const isOurs = now === external_id;
            for (const { resp_code } of replies)
              assert.equal(resp_code, isOurs ? 200 : 401, `round ${round}`);
            if (!isOurs) assert.deepEqual(await tokensOf(unchecked, name), []);
          }
        });
      });
    }

    test("is identified by id_attribute, in any case, and by the other attributes until the next login", async () => {
      await using first = await directory.start();
      const dn = await directory.add("numbered", [], { attributes: { employeeNumber: "4711" } });
      await first.login("numbered", DIRECTORY_PASSWORD);
      const before = (await rowOf(first, "numbered")).external_id;
      await using numbered = await directory.start({ id_attribute: "EMPLOYEENUMBER" });
      await numbered.login("numbered", DIRECTORY_PASSWORD);
      assert.equal((await rowOf(numbered, "numbered")).external_id, "4711");
      await setId(numbered, "numbered", before);
      await numbered.login("numbered", DIRECTORY_PASSWORD);
      assert.equal(
        (await rowOf(numbered, "numbered")).external_id,
        "4711",
        "the same person, by the other id",
      );
      // The same person in a new entry.
      await directory.changes.deleteEntry(dn);
      const again = await directory.add("numbered", [], { attributes: { employeeNumber: "4711" } });
      await numbered.login("numbered", DIRECTORY_PASSWORD);
      await directory.changes.setAttributes(again, { employeeNumber: "4712" });
      await assertRefusedLogin(
        numbered,
        { username: "numbered", password: DIRECTORY_PASSWORD },
        "another-person",
      );
    });
  });
}

describe("a directory that returns no entry ids", { skip: missingFor("ds389") ?? false }, () => {
  const directory = use389();

  test("identifies users by login name, and the log warns once", async () => {
    await using worker = await directory.start({ ...directory.service, ...ALWAYS });
    const dn = await directory.add("known", ["API_PERMfirst"]);
    await worker.login("known", DIRECTORY_PASSWORD);
    const { external_id } = await rowOf(worker, "known");
    assert.notEqual(external_id, null);
    const hidden =
      '(targetattr = "entryUUID || nsUniqueId")(version 3.0; acl "hidden"; deny (all) userdn = "ldap:///all";)';
    const { aci } = await withClient(directory.editor, async (client) => {
      const found = await client.search(directory.usersDn, { scope: "base", attributes: ["aci"] });
      return { aci: [found.searchEntries[0]?.["aci"] ?? []].flat().map(String) };
    });
    const warning = async () =>
      /warn: .* shows no id of entries/.test((await diagnose(worker.raw)).of("directory"));
    assert.equal(await warning(), false);
    await directory.changes.setAttributes(directory.usersDn, { aci: [...aci, hidden] });
    try {
      assert.equal(await warning(), true, "doctor sees it as well");
      await replacePerson(directory, dn, "known", ["API_PERMsecond"]);
      await directory.add("unknown", []);
      const tokens = [
        await worker.login("known", DIRECTORY_PASSWORD),
        await worker.login("unknown", DIRECTORY_PASSWORD),
      ];
      assert.deepEqual(await groupsOf(worker, tokens[0]!), ["second"]);
      assert.equal((await rowOf(worker, "known")).external_id, external_id, "what was known stays");
      assert.equal((await rowOf(worker, "unknown")).external_id, null);
      assert.equal(linesOf(worker, NO_IDS).length, 1);
    } finally {
      await directory.changes.setAttributes(directory.usersDn, { aci });
    }
    await assertRefusedLogin(worker, { username: "known", password: DIRECTORY_PASSWORD }, "another-person");
    await worker.login("unknown", DIRECTORY_PASSWORD);
    assert.notEqual((await rowOf(worker, "unknown")).external_id, null);
  });
});
