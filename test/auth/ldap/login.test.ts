import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeJwt } from "jose";
import { listGroupsOf } from "../../../src/db/queries/groups.ts";
import { findUser } from "../../../src/db/queries/users.ts";
import { lastLine, linesOf } from "../../support/log-lines.ts";
import { assertRefused, dataOf } from "../../support/replies.ts";
import { missingFor } from "../../support/servers/directories.ts";
import { LOGIN_GROUP, DIRECTORY_PASSWORD, useDirectory } from "../../support/directory.ts";
import { DATABASES, type TestWorker } from "../../support/worker.ts";

const skip = missingFor("openldap") ?? false;

const groupsIn = (idToken: string): unknown => decodeJwt(idToken)["groups"];

for (const database of DATABASES) {
  describe(`a login by the directory on ${database}`, { skip }, () => {
    const directory = useDirectory();
    const { add } = directory;
    let worker: TestWorker;
    before(async () => {
      worker = await directory.start({}, database);
    });
    after(() => worker[Symbol.asyncDispose]());

    const rowOf = (username: string) => findUser(worker.db, username);
    const membershipsOf = async (username: string) =>
      listGroupsOf(worker.db, (await rowOf(username))?.username ?? "");

    test("creates the account with the directory's spelling, mail and groups", async () => {
      await add("Ada-Lovelace", ["API_PERMdev", "API_PERMOps", "other"], { mail: "ada@example.com" });
      const id_token = await worker.login("aDA-lovelace", DIRECTORY_PASSWORD);
      const { sub, groups } = decodeJwt(id_token);
      assert.deepEqual([sub, groups], ["Ada-Lovelace", ["Ops", "dev"]]);
      const row = await rowOf("ada-lovelace");
      assert.deepEqual(
        [row?.username, row?.email, row?.auth_type, row?.activated, row?.password_hash],
        ["Ada-Lovelace", "ada@example.com", "LDAP", 1, null],
      );
      const { access_token } = dataOf(await worker.call("token", { id_token }));
      assert.deepEqual(decodeJwt(access_token as string)["groups"], ["Ops", "dev"]);
    });

    test("publishes one event for the user and for each new group", async () => {
      const events = async () => {
        const events = worker.db.selectFrom("event").select(["type", "username", "data"]).orderBy("seq");
        return (await events.execute()).map(({ type, username, data }) => {
          const { groupname } = JSON.parse(data) as { groupname?: string };
          return [type, username, groupname].filter((word) => word !== undefined && word !== null).join(" ");
        });
      };
      const before = (await events()).length;
      for (const name of ["first-told", "then-told"]) {
        await add(name, ["API_PERMtold"]);
        await worker.login(name, DIRECTORY_PASSWORD);
        await worker.login(name, DIRECTORY_PASSWORD);
      }
      assert.deepEqual((await events()).slice(before), [
        "group.created told",
        "user.created first-told",
        "group.member_added first-told told",
        "session.started first-told",
        "session.revoked first-told",
        "session.started first-told",
        "user.created then-told",
        "group.member_added then-told told",
        "session.started then-told",
        "session.revoked then-told",
        "session.started then-told",
      ]);
    });

    test("generates an email address for a user without a valid mail", async () => {
      for (const [name, mail] of [["no-mail"], ["bad-mail", "not an address"]] as const) {
        await add(name, [], mail === undefined ? {} : { mail });
        await worker.login(name, DIRECTORY_PASSWORD);
        assert.equal((await rowOf(name))?.email, `generated_${name}@ad.local`);
      }
    });

    test("mirrors groups and mail at each login: removes old ones and adds new ones", async () => {
      const dn = await add("mirrored", ["API_PERMold", "API_PERMkept"], { mail: "first@example.com" });
      assert.deepEqual(groupsIn(await worker.login("mirrored", DIRECTORY_PASSWORD)), ["kept", "old"]);
      await directory.ldap.removeMember("API_PERMold", dn);
      await directory.ldap.addGroup("API_PERMnew", [dn]);
      await directory.ldap.setAttributes(dn, { mail: "second@example.com" });
      await worker.db.insertInto("group").values({ name: "by-hand" }).execute();
      await worker.db
        .insertInto("usergroup")
        .values({ username: "mirrored", groupname: "by-hand" })
        .execute();
      assert.deepEqual(groupsIn(await worker.login("mirrored", DIRECTORY_PASSWORD)), ["kept", "new"]);
      assert.equal((await rowOf("mirrored"))?.email, "second@example.com");
      const names = (await worker.db.selectFrom("group").select("name").execute()).map(({ name }) => name);
      for (const name of ["old", "by-hand"])
        assert.ok(names.includes(name), `the group ${name} itself stays`);
    });

    test("never authenticates a local account of the same name", async () => {
      await add("two-homes", ["API_PERMadmin"]);
      await worker.addUser("Two-Homes", "a local password");
      const foreign = await worker.call("login", { username: "two-homes", password: DIRECTORY_PASSWORD });
      assertRefused(foreign, 401, "INVALID_CREDENTIALS");
      assert.deepEqual(groupsIn(await worker.login("two-homes", "a local password")), []);
      assert.equal((await rowOf("two-homes"))?.auth_type, "LOCAL");
    });

    test("never gives one account to two users whose names are equal for the database", async () => {
      await using loose = await directory.start({}, database, { username_regex: ".{1,64}" });
      for (let round = 0; round < 5; round++) {
        const [plain, accented] = [`rene-${round}`, `ren\u00e9-${round}`] as const;
        await add(plain);
        await add(accented, ["API_PERMadmin"]);
        const attempt = async (username: string): Promise<void> => {
          const { resp_code, resp_data } = await loose.call("login", {
            username,
            password: DIRECTORY_PASSWORD,
          });
          if (resp_code !== 200) return assert.equal(resp_code, 401);
          const { sub, groups } = decodeJwt(resp_data["id_token"] as string);
          assert.deepEqual([sub, groups], [username, username === accented ? ["admin"] : []]);
        };
        await Promise.all([attempt(plain), attempt(accented)]);
        await attempt(plain);
        await attempt(accented);
        const members = await loose.db.selectFrom("usergroup").select("username").execute();
        const names = members.map(({ username }) => username);
        assert.ok(!names.includes(plain), names.join(", "));
      }
    });

    test("reports a deactivated account only for the right password", async () => {
      await add("turned-off");
      await worker.login("turned-off", DIRECTORY_PASSWORD);
      await worker.db
        .updateTable("user")
        .set({ activated: 0 })
        .where("username", "=", "turned-off")
        .execute();
      const right = await worker.call("login", { username: "turned-off", password: DIRECTORY_PASSWORD });
      assertRefused(right, 403, "ACCOUNT_NOT_ACTIVATED");
      const wrong = await worker.call("login", { username: "turned-off", password: "nope" });
      assertRefused(wrong, 401, "INVALID_CREDENTIALS");
    });

    test("makes members of the prefixed admin group administrators", async () => {
      await add("dir-admin", ["API_PERMadmin"]);
      const id_token = await worker.login("dir-admin", DIRECTORY_PASSWORD);
      const { access_token } = dataOf(await worker.call("token", { id_token }));
      dataOf(await worker.call("group_create", { groupname: `made-on-${database}`, access_token }));
    });

    test("ignores a group whose name group_regex rejects, and logs it", async () => {
      await add("odd-groups", ["API_PERMx, y", "API_PERM", "API_PERMfine"]);
      assert.deepEqual(groupsIn(await worker.login("odd-groups", DIRECTORY_PASSWORD)), ["fine"]);
      const line = await lastLine(
        worker,
        "directory groups were ignored: group_regex does not match their names, or they end with a space",
      );
      assert.deepEqual([line["username"], line["groups"]], ["odd-groups", ["x, y"]]);
    });

    test("works for one new user sixteen times at once, and creates one account", async () => {
      await add("in-parallel", ["API_PERMone", "API_PERMtwo", "API_PERMthree"]);
      const replies = await Promise.all(
        Array.from({ length: 16 }, () =>
          worker.call("login", { username: "in-parallel", password: DIRECTORY_PASSWORD }),
        ),
      );
      assert.deepEqual(
        replies.map(({ resp_code }) => resp_code),
        Array<number>(16).fill(200),
      );
      assert.deepEqual(await membershipsOf("in-parallel"), ["one", "three", "two"]);
    });

    test("works for sixteen new users with the same groups at once", async () => {
      const names = Array.from({ length: 16 }, (_, index) => `one-of-many-${index}`);
      for (const name of names) await add(name, ["API_PERMshared"], { mail: `${name}@example.com` });
      const tokens = await Promise.all(names.map((name) => worker.login(name, DIRECTORY_PASSWORD)));
      assert.deepEqual(
        tokens.map((token) => [decodeJwt(token).sub, groupsIn(token)]),
        names.map((name) => [name, ["shared"]]),
      );
    });
  });
}

describe("a login by the directory", { skip }, () => {
  const directory = useDirectory();
  const { add, start } = directory;

  test("with sync_groups add removes no membership", async () => {
    await using worker = await start({ sync_groups: "add" });
    const dn = await add("collector", ["API_PERMfirst"]);
    await worker.login("collector", DIRECTORY_PASSWORD);
    await directory.ldap.removeMember("API_PERMfirst", dn);
    await directory.ldap.addGroup("API_PERMsecond", [dn]);
    assert.deepEqual(groupsIn(await worker.login("collector", DIRECTORY_PASSWORD)), ["first", "second"]);
  });

  test("with admin_from_directory off neither adds nor removes administrators", async () => {
    await using worker = await start({ admin_from_directory: false });
    await add("would-be", ["API_PERMadmin", "API_PERMdev2"]);
    assert.deepEqual(groupsIn(await worker.login("would-be", DIRECTORY_PASSWORD)), ["dev2"]);
    await worker.db.insertInto("group").values({ name: "admin" }).execute();
    await worker.db.insertInto("usergroup").values({ username: "would-be", groupname: "admin" }).execute();
    assert.deepEqual(groupsIn(await worker.login("would-be", DIRECTORY_PASSWORD)), ["admin", "dev2"]);
  });

  test("uses the configured name of the admin group", async () => {
    await using worker = await start({}, "sqlite", { admin_group: "chiefs" });
    await add("chief", ["API_PERMchiefs"]);
    const id_token = await worker.login("chief", DIRECTORY_PASSWORD);
    const { access_token } = dataOf(await worker.call("token", { id_token }));
    dataOf(await worker.call("group_create", { groupname: "theirs", access_token }));
  });

  test("with groups_base_dn uses only groups below it", async () => {
    await using worker = await start({ groups_base_dn: directory.ldap.groupsDn });
    const dn = await add("two-places", ["API_PERMinside"]);
    await directory.ldap.addEntry(`cn=API_PERMadmin,${directory.ldap.baseDn}`, {
      objectClass: "groupOfNames",
      cn: "API_PERMadmin",
      member: dn,
    });
    assert.deepEqual(groupsIn(await worker.login("two-places", DIRECTORY_PASSWORD)), ["inside"]);
  });

  test("ignores nested groups without nested_groups, and resolves them with it, even circular ones", async () => {
    const dn = await directory.ldap.addUser("deep-down", DIRECTORY_PASSWORD);
    const inner = await directory.ldap.addGroup("API_PERMinner", [dn]);
    const middle = await directory.ldap.addGroup("API_PERMmiddle", [inner]);
    const outer = await directory.ldap.addGroup("API_PERMouter", [middle]);
    await directory.ldap.addMember("API_PERMinner", outer);
    await directory.ldap.addMember(LOGIN_GROUP, outer);
    await using flat = await start();
    const reply = await flat.call("login", { username: "deep-down", password: DIRECTORY_PASSWORD });
    assertRefused(reply, 401, "INVALID_CREDENTIALS");
    for (const settings of [{}, { bind: "search", ...directory.service }]) {
      await using nested = await start({ nested_groups: true, ...settings });
      assert.deepEqual(groupsIn(await nested.login("deep-down", DIRECTORY_PASSWORD)), [
        "inner",
        "middle",
        "outer",
      ]);
    }
  });

  test("with bind search finds users anywhere below base_dn", async () => {
    await using worker = await start({ bind: "search", ...directory.service });
    await directory.ldap.addEntry(`ou=Branch,${directory.ldap.baseDn}`, {
      objectClass: "organizationalUnit",
      ou: "Branch",
    });
    await add("far-away", ["API_PERMdev3"], { dn: `cn=Far Away,ou=Branch,${directory.ldap.baseDn}` });
    assert.deepEqual(groupsIn(await worker.login("far-away", DIRECTORY_PASSWORD)), ["dev3"]);
    const wrong = await worker.call("login", { username: "far-away", password: "nope" });
    assertRefused(wrong, 401, "INVALID_CREDENTIALS");
  });

  test("works with inetOrgPerson and uid, by user_filter", async () => {
    const user_filter = "(&(objectClass=inetOrgPerson)(uid={username}))";
    await directory.ldap.addPerson("posix-user", DIRECTORY_PASSWORD, {
      groups: [LOGIN_GROUP, "API_PERMunix"],
    });
    const service = { bind: "search", ...directory.service };
    for (const settings of [{ bind: `uid={username},${directory.ldap.baseDn}` }, service]) {
      await using worker = await start({ user_filter, ...settings });
      assert.deepEqual(groupsIn(await worker.login("POSIX-user", DIRECTORY_PASSWORD)), ["unix"]);
      const row = await worker.db.selectFrom("user").select("username").executeTakeFirstOrThrow();
      assert.equal(row.username, "posix-user");
    }
  });

  test("logs neither the user's nor the service account's password", async () => {
    const secret = "Xyzzy-never-logged";
    await using worker = await start({ bind: "search", ...directory.service });
    await directory.ldap.addUser("discreet", secret, { groups: [LOGIN_GROUP] });
    await worker.login("discreet", secret);
    await worker.call("login", { username: "discreet", password: `${secret}!` });
    await worker.call("login", { username: "nobody-here", password: secret });
    const refusals = linesOf(worker, "the directory refused a login").length;
    assert.ok(refusals >= 2, `${refusals} refusals`);
    for (const text of [secret, directory.ldap.servicePassword])
      assert.ok(!worker.log.join("").includes(text), "a password is in the log");
  });
});
