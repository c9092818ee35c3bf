import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ANY_DIRECTORY } from "../../support/any-directory.ts";
import { DIRECTORY_PASSWORD } from "../../support/directory.ts";
import { lastLine, linesOf } from "../../support/log-lines.ts";
import { dataOf } from "../../support/replies.ts";
import { missingFor } from "../../support/servers/directories.ts";
import { DATABASES, type TestWorker } from "../../support/worker.ts";

const NO_EMAIL = "a directory user has no email: another account uses it";

for (const [server, kind, use] of ANY_DIRECTORY) {
  describe(`the email of a user of ${kind}`, { skip: missingFor(server) ?? false }, () => {
    const directory = use();

    for (const database of DATABASES) {
      describe(`on ${database}`, () => {
        let worker: TestWorker;
        before(async () => {
          worker = await directory.start({}, database);
        });
        after(() => worker[Symbol.asyncDispose]());

        const emailOf = async (username: string) => {
          const query = worker.db.selectFrom("user").select("email").where("username", "=", username);
          return (await query.executeTakeFirstOrThrow()).email;
        };
        const setMail = (dn: string, mail: string) => directory.changes.setAttributes(dn, { mail });
        const login = (name: string) => worker.login(name, DIRECTORY_PASSWORD);
        /** Adds users with addresses and logs them in; returns names, addresses and DNs. */
        const addUsers = async (prefix: string, count: number) => {
          const users: { name: string; mail: string; dn: string }[] = [];
          for (let index = 0; index < count; index++) {
            const name = `${prefix}-${index}-${database}`;
            const mail = `${name}@example.com`;
            users.push({ name, mail, dn: await directory.add(name, [], { mail }) });
            await login(name);
          }
          return users;
        };

        for (const count of [2, 3, 4]) {
          test(`is the new one for each of ${count} users who rotate their addresses`, async () => {
            const users = await addUsers(`circle${count}`, count);
            const mailFor = (index: number): string => users[(index + 1) % count]!.mail;
            for (const [index, { dn }] of users.entries()) await setMail(dn, mailFor(index));
            for (const { name } of [...users, ...users]) await login(name);
            for (const [index, { name }] of users.entries())
              assert.equal(await emailOf(name), mailFor(index));
          });
        }

        test("is the new one for both users who swap their addresses and log in at once", async () => {
          const users = await addUsers("atonce", 2);
          const [one, two] = [users[0]!, users[1]!];
          await setMail(one.dn, two.mail);
          await setMail(two.dn, one.mail);
          for (let round = 0; round < 3; round++) await Promise.all([login(one.name), login(two.name)]);
          assert.deepEqual([await emailOf(one.name), await emailOf(two.name)], [two.mail, one.mail]);
        });

        test("is null while a local account has it, and is set when that account changes its address", async () => {
          const mail = `owned-${database}@example.com`;
          await worker.addUser(`owner-${database}`, DIRECTORY_PASSWORD, {
            email: mail.toUpperCase(),
            groups: ["admin"],
          });
          await directory.add(`guest-${database}`, ["API_PERMdev"], { mail });
          const { access_token } = dataOf(
            await worker.call("token", { id_token: await login(`owner-${database}`) }),
          );
          const seen = async () =>
            dataOf(await worker.call("user_get", { username: `guest-${database}`, access_token }))["email"];
          for (let round = 0; round < 2; round++) {
            await login(`guest-${database}`);
            assert.equal(await seen(), null);
          }
          const line = await lastLine(worker, NO_EMAIL);
          assert.deepEqual([line.level, line["username"], line["mail"]], [40, `guest-${database}`, mail]);
          assert.equal(await emailOf(`owner-${database}`), mail.toUpperCase());
          const created = worker.db.selectFrom("event").select("data").where("type", "=", "user.created");
          const { data } = await created
            .where("username", "=", `guest-${database}`)
            .executeTakeFirstOrThrow();
          assert.deepEqual(JSON.parse(data), { email: null, auth_type: "LDAP", activated: true });
          const change = {
            username: `owner-${database}`,
            email: `other-${database}@example.com`,
            access_token,
          };
          dataOf(await worker.call("user_change", change));
          await login(`guest-${database}`);
          assert.equal(await seen(), mail);
        });

        test("stays with the first of two users who share it, until the first is deleted", async () => {
          const mail = `shared-${database}@example.com`;
          const [first, second] = [`first-${database}`, `second-${database}`];
          for (const name of [first, second]) await directory.add(name, [], { mail });
          for (let round = 0; round < 2; round++) for (const name of [first, second]) await login(name);
          assert.deepEqual([await emailOf(first), await emailOf(second)], [mail, null]);
          await worker.db.deleteFrom("user").where("username", "=", first).execute();
          await login(second);
          assert.equal(await emailOf(second), mail);
        });

        test("is set for only one of many users who share it and log in for the first time at once", async () => {
          const mail = `crowd-${database}@example.com`;
          const names = Array.from({ length: 8 }, (_, index) => `crowd-${index}-${database}`);
          for (const name of names) await directory.add(name, [], { mail });
          await Promise.all(names.map(login));
          const emails = await Promise.all(names.map(emailOf));
          assert.deepEqual(
            emails.filter((email) => email !== null),
            [mail],
          );
        });

        test("gets the directory's new spelling, with one event for the change", async () => {
          const name = `spelled-${database}`;
          const dn = await directory.add(name, [], { mail: `${name}@example.com` });
          await login(name);
          await setMail(dn, `${name.toUpperCase()}@Example.com`);
          for (let round = 0; round < 2; round++) await login(name);
          assert.equal(await emailOf(name), `${name.toUpperCase()}@Example.com`);
          const changes = worker.db.selectFrom("event").select("data").where("type", "=", "user.changed");
          assert.equal((await changes.where("username", "=", name).execute()).length, 1);
        });
      });
    }

    test("is set and removed at the revalidation of a session", async () => {
      await using worker = await directory.start({ ...directory.service, revalidate_minutes: 0.000_01 });
      const dn = await directory.add("moving", [], { mail: "moving@example.com" });
      await worker.addUser("settled", DIRECTORY_PASSWORD, { email: "settled@example.com" });
      const id_token = await worker.login("moving", DIRECTORY_PASSWORD);
      const emailOf = async () =>
        (
          await worker.db
            .selectFrom("user")
            .select("email")
            .where("username", "=", "moving")
            .executeTakeFirst()
        )?.email;
      for (const [mail, expected] of [
        ["settled@example.com", null],
        ["moved@example.com", "moved@example.com"],
      ] as const) {
        await directory.changes.setAttributes(dn, { mail });
        dataOf(await worker.call("token", { id_token }));
        assert.equal(await emailOf(), expected);
      }
    });
  });
}

describe("the email of a user with several mail values", () => {
  for (const [server, kind, use] of ANY_DIRECTORY) {
    // In Active Directory, mail has one value.
    const skip = server === "samba" ? "mail has one value" : (missingFor(server) ?? false);
    describe(`in ${kind}`, { skip }, () => {
      const directory = use();

      test("is the first one that email_regex accepts", async () => {
        await using worker = await directory.start({}, "sqlite", { email_regex: "[a-z]+@example\\.com" });
        const mail = ["first@other.example", "second@example.com", "third@example.com"];
        await directory.add("several", [], { attributes: { mail } });
        await worker.login("several", DIRECTORY_PASSWORD);
        const row = await worker.db.selectFrom("user").select("email").executeTakeFirst();
        assert.equal(row?.email, "second@example.com");
        assert.deepEqual(
          linesOf(worker, "the directory's email was ignored: email_regex does not match it"),
          [],
        );
      });
    });
  }
});
