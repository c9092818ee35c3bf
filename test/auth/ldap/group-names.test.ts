import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeJwt } from "jose";
import { insertGroup, listGroups } from "../../../src/db/queries/groups.ts";
import { ANY_DIRECTORY, renameEntry } from "../../support/any-directory.ts";
import { LOGIN_GROUP, DIRECTORY_PASSWORD } from "../../support/directory.ts";
import { lastLine } from "../../support/log-lines.ts";
import { assertRefused, dataOf } from "../../support/replies.ts";
import { missingFor, withClient } from "../../support/servers/directories.ts";
import { DATABASES, type TestWorker } from "../../support/worker.ts";

const groupsIn = (token: string): unknown => decodeJwt(token)["groups"];

for (const [server, name, use] of ANY_DIRECTORY) {
  describe(`a group of ${name} whose name differs in case only`, {
    skip: missingFor(server) ?? false,
  }, () => {
    const directory = use();
    const renameGroup = (from: string, to: string): Promise<void> =>
      renameEntry(directory, `cn=${from},${directory.groupsDn}`, `cn=${to}`);

    for (const database of DATABASES) {
      describe(`on ${database}`, () => {
        let worker: TestWorker;
        before(async () => {
          worker = await directory.start({}, database);
        });
        after(() => worker[Symbol.asyncDispose]());

        test("from the admin group is the admin group, even if a group with its spelling exists", async () => {
          await directory.add(`chief-${database}`, ["API_PERMAdmin"]);
          const id_token = await worker.login(`chief-${database}`, DIRECTORY_PASSWORD);
          assert.deepEqual(groupsIn(id_token), ["admin"]);
          const { access_token } = dataOf(await worker.call("token", { id_token }));
          // Earlier versions created such a group.
          dataOf(await worker.call("group_create", { groupname: "Admin", access_token }));
          assert.deepEqual(groupsIn(await worker.login(`chief-${database}`, DIRECTORY_PASSWORD)), ["admin"]);
        });

        test("from an existing group joins that group, and creates none", async () => {
          await insertGroup(worker.db, "shop");
          await directory.add(`clerk-${database}`, ["API_PERMShop"]);
          for (let round = 0; round < 2; round++)
            assert.deepEqual(groupsIn(await worker.login(`clerk-${database}`, DIRECTORY_PASSWORD)), ["shop"]);
          const groups = await listGroups(worker.db);
          assert.ok(!groups.includes("Shop"), groups.join(", "));
        });

        test("from two existing groups joins the one with exactly its spelling", async () => {
          for (const group of ["STORE", "Store", "store"]) await insertGroup(worker.db, group);
          await directory.add(`owner-${database}`, ["API_PERMStore"]);
          assert.deepEqual(groupsIn(await worker.login(`owner-${database}`, DIRECTORY_PASSWORD)), ["Store"]);
        });

        test("is created once by users who log in at the same time", async () => {
          const names = Array.from({ length: 12 }, (_, index) => `racer-${database}-${index}`);
          const dns: string[] = [];
          for (const user of names) dns.push(await directory.add(user));
          const [group, other] = [`API_PERMRace-${database}`, `API_PERMrace-${database}`];
          await directory.addGroup(group, dns.slice(0, 6));
          await directory.addGroup(other, dns.slice(6), `cn=${other},${await unitFor(database)}`);
          const tokens = await Promise.all(names.map((user) => worker.login(user, DIRECTORY_PASSWORD)));
          const created = (await listGroups(worker.db)).filter(
            (one) => one.toLowerCase() === `race-${database}`,
          );
          assert.equal(created.length, 1, created.join());
          for (const token of tokens) assert.deepEqual(groupsIn(token), created);
        });
      });
    }

    /** A second organizational unit for groups. */
    const unitFor = async (database: string): Promise<string> => {
      const dn = `ou=second-${database},${directory.groupsDn}`;
      await withClient(directory.editor, (client) =>
        client.add(dn, { objectClass: "organizationalUnit", ou: `second-${database}` }),
      );
      return dn;
    };

    test("from the admin group is ignored with admin_from_directory off", async () => {
      await using worker = await directory.start({ admin_from_directory: false });
      await directory.add("would-be", ["API_PERMADMIN", "API_PERMdev"]);
      assert.deepEqual(groupsIn(await worker.login("would-be", DIRECTORY_PASSWORD)), ["dev"]);
      assert.deepEqual(await listGroups(worker.db), ["dev"]);
      await insertGroup(worker.db, "admin");
      await worker.db.insertInto("usergroup").values({ username: "would-be", groupname: "admin" }).execute();
      assert.deepEqual(groupsIn(await worker.login("would-be", DIRECTORY_PASSWORD)), ["admin", "dev"]);
    });

    test("from an existing group joins it, even if group_regex matches only the existing spelling", async () => {
      await using worker = await directory.start({}, "sqlite", { group_regex: "[a-z]+" });
      await insertGroup(worker.db, "mall");
      await directory.add("strict", ["API_PERMMall", "API_PERMOutlet"]);
      assert.deepEqual(groupsIn(await worker.login("strict", DIRECTORY_PASSWORD)), ["mall"]);
      const line = await lastLine(
        worker,
        "directory groups were ignored: group_regex does not match their names, or they end with a space",
      );
      assert.deepEqual(line["groups"], ["Outlet"]);
    });

    for (const [mode, nested] of [
      ["mirror", true],
      ["mirror", false],
      ["add", true],
    ] as const) {
      test(`from its old name is one group to sync_groups ${mode} with nested_groups ${nested}`, async () => {
        const settings = { sync_groups: mode, nested_groups: nested };
        await using worker = await directory.start(settings);
        await using found = await directory.start({ ...settings, ...directory.service });
        const [user, old, next] = [`${mode}-${nested}`, `Old-${mode}-${nested}`, `oLD-${mode}-${nested}`];
        await directory.add(user, [`API_PERM${old}`]);
        for (const one of [worker, found])
          assert.deepEqual(groupsIn(await one.login(user, DIRECTORY_PASSWORD)), [old]);
        await renameGroup(`API_PERM${old}`, `API_PERM${next}`);
        for (const one of [worker, found]) {
          assert.deepEqual(groupsIn(await one.login(user, DIRECTORY_PASSWORD)), [old]);
          assert.deepEqual(await listGroups(one.db), [old]);
        }
        await using fresh = await directory.start(settings);
        assert.equal((groupsIn(await fresh.login(user, DIRECTORY_PASSWORD)) as string[]).length, 1);
      });
    }

    test("is used at the revalidation of a session", async () => {
      await using worker = await directory.start({ ...directory.service, revalidate_minutes: 0.000_01 });
      await insertGroup(worker.db, "desk");
      const dn = await directory.add("again", ["API_PERMfirst"]);
      const id_token = await worker.login("again", DIRECTORY_PASSWORD);
      await directory.addGroup("API_PERMDesk", [dn]);
      await directory
        .addGroup("API_PERMADMIN", [dn])
        .catch(() => directory.changes.addMember("API_PERMADMIN", dn));
      const { access_token } = dataOf(await worker.call("token", { id_token }));
      assert.deepEqual(groupsIn(access_token as string), ["admin", "desk", "first"]);
      assert.deepEqual(await listGroups(worker.db), ["admin", "desk", "first"]);
    });

    test("from the login group is the login group", async () => {
      await using worker = await directory.start({ group: LOGIN_GROUP.toUpperCase() });
      await directory.add("member");
      await worker.login("member", DIRECTORY_PASSWORD);
      await using other = await directory.start({ group: "no-such-group" });
      assertRefused(
        await other.call("login", { username: "member", password: DIRECTORY_PASSWORD }),
        401,
        "INVALID_CREDENTIALS",
      );
    });
  });
}
