import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decodeJwt } from "jose";
import { useActiveDirectory } from "../../support/active-directory.ts";
import { LOGIN_GROUP, DIRECTORY_PASSWORD } from "../../support/directory.ts";
import { lastLine, linesOf } from "../../support/log-lines.ts";
import { assertRefused } from "../../support/replies.ts";
import { missingFor } from "../../support/servers/directories.ts";
import { DATABASES, type TestWorker } from "../../support/worker.ts";

const skip = missingFor("samba") ?? false;

const groupsIn = (idToken: string): unknown => decodeJwt(idToken)["groups"];
const rowsIn = (worker: TestWorker) => worker.db.selectFrom("user").selectAll().execute();

describe("a login by Active Directory", { skip }, () => {
  const directory = useActiveDirectory();
  const { add, start } = directory;

  const WAYS: Readonly<Record<string, () => object>> = {
    "as DOMAIN\\user": () => ({}),
    "as DOMAIN\\user over ldaps://": () => ({ address: directory.ad.tlsUrl, ca_file: directory.ad.caFile }),
    "as DOMAIN\\user over StartTLS": () => ({ ca_file: directory.ad.caFile }),
    "as user@domain": () => ({ bind: `{username}@${directory.ad.dnsDomain}` }),
    "below the domain's root": () => ({ base_dn: directory.ad.suffix }),
    "as the entry that a service account found": () => directory.service,
    "as the entry that a service account found below the domain's root over ldaps://": () => ({
      address: [directory.ad.tlsUrl],
      ca_file: directory.ad.caFile,
      base_dn: directory.ad.suffix,
      ...directory.service,
      bind_dn: `${directory.ad.domain}\\service`,
    }),
  };

  for (const [index, [way, settingsOf]] of Object.entries(WAYS).entries()) {
    test(`${way} creates the account with the directory's spelling, mail and groups`, async () => {
      await using worker = await start(settingsOf());
      const name = `Ada-Lovelace-${index}`;
      await add(name, ["API_PERMdev", "API_PERMOps", "other"], { mail: `${name}@example.com` });
      const token = await worker.login(name.toUpperCase(), DIRECTORY_PASSWORD);
      assert.deepEqual([decodeJwt(token).sub, groupsIn(token)], [name, ["Ops", "dev"]]);
      const [row, ...more] = await rowsIn(worker);
      assert.deepEqual(
        [row?.username, row?.email, row?.auth_type, row?.activated, row?.password_hash],
        [name, `${name}@example.com`, "LDAP", 1, null],
      );
      assert.deepEqual(more, []);
      const wrong = await worker.call("login", { username: name, password: "nope" });
      assertRefused(wrong, 401, "INVALID_CREDENTIALS");
    });
  }

  test("generates an email address in the domain for a user without mail", async () => {
    await using worker = await start();
    await add("no-mail");
    await worker.login("NO-mail", DIRECTORY_PASSWORD);
    assert.deepEqual(
      (await rowsIn(worker)).map(({ email }) => email),
      ["generated_no-mail@AD"],
    );
  });

  test("mirrors groups and mail at each login", async () => {
    await using worker = await start();
    const dn = await add("mirrored", ["API_PERMold", "API_PERMkept"], { mail: "first@example.com" });
    assert.deepEqual(groupsIn(await worker.login("mirrored", DIRECTORY_PASSWORD)), ["kept", "old"]);
    await directory.ad.removeMember("API_PERMold", dn);
    await directory.ad.addGroup("API_PERMnew", { members: [dn] });
    await directory.ad.setAttributes(dn, { mail: "second@example.com" });
    assert.deepEqual(groupsIn(await worker.login("mirrored", DIRECTORY_PASSWORD)), ["kept", "new"]);
    assert.equal((await rowsIn(worker))[0]?.email, "second@example.com");
  });

  test("sends passwords of any length unchanged", async () => {
    await using worker = await start();
    const passwords = ["pässwörd 😀 李", " blanks around it ", '"q\\', "x".repeat(100)];
    for (const [index, password] of passwords.entries()) {
      const username = `password-${index}`;
      await directory.ad.addUser(username, password, { groups: [LOGIN_GROUP] });
      await worker.login(username, password);
      for (const other of [` ${password}`, password.slice(0, -1), password.toUpperCase()])
        assertRefused(await worker.call("login", { username, password: other }), 401, "INVALID_CREDENTIALS");
    }
  });

  describe("of a member of nested groups", () => {
    let number = 0;
    /** Adds a user to three nested groups; the outermost is a login group and a member of the innermost. */
    const addNested = async () => {
      const id = ++number;
      const dn = await directory.ad.addUser(`nested-${id}`, DIRECTORY_PASSWORD);
      const leaf = await directory.ad.addGroup(`API_PERMleaf-${id}`, { members: [dn] });
      const branch = await directory.ad.addGroup(`API_PERMbranch-${id}`, { members: [leaf] });
      const tree = await directory.ad.addGroup(`API_PERMtree-${id}`, { members: [branch] });
      await directory.ad.addMember(`API_PERMleaf-${id}`, tree);
      await directory.ad.addGroup(`login-${id}`, { members: [tree] });
      return {
        username: `nested-${id}`,
        group: `login-${id}`,
        groups: [`branch-${id}`, `leaf-${id}`, `tree-${id}`],
      };
    };

    for (const [how, settingsOf] of [
      ["as DOMAIN\\user", () => ({})],
      ["as the entry that a service account found", () => directory.service],
    ] as const) {
      test(`${how} resolves circular nested groups with nested_groups, and is refused without it`, async () => {
        const { username, group, groups } = await addNested();
        await using nested = await start({ nested_groups: true, group, ...settingsOf() });
        assert.deepEqual(groupsIn(await nested.login(username, DIRECTORY_PASSWORD)), groups);
        await using flat = await start({ group, ...settingsOf() });
        assertRefused(
          await flat.call("login", { username, password: DIRECTORY_PASSWORD }),
          401,
          "INVALID_CREDENTIALS",
        );
        assert.equal((await lastLine(flat, "the directory refused a login"))["reason"], "not-in-group");
        assert.deepEqual(await rowsIn(flat), []);
      });
    }

    test("without nested_groups has only its direct groups", async () => {
      const { username, groups } = await addNested();
      await directory.ad.addGroup("direct", { members: [directory.ad.dnOf(username)] });
      await using worker = await start({ group: "direct" });
      assert.deepEqual(groupsIn(await worker.login(username, DIRECTORY_PASSWORD)), [groups[1]]);
    });

    test("with groups_base_dn uses only groups below it", async () => {
      const { username, groups } = await addNested();
      const dn = `CN=API_PERMadmin,${directory.ad.usersDn}`;
      await directory.ad.addGroup("API_PERMadmin", { dn, members: [directory.ad.dnOf(username)] });
      const group = groups.map((name) => `API_PERM${name}`)[0]!;
      await using worker = await start({
        nested_groups: true,
        group,
        groups_base_dn: directory.ad.groupsDn.toLowerCase().replaceAll(",", " , "),
      });
      assert.deepEqual(groupsIn(await worker.login(username, DIRECTORY_PASSWORD)), groups);
    });
  });

  describe("on a server that requires TLS", () => {
    const strict = useActiveDirectory({ settings: ["ldap server require strong auth = yes"] });

    for (const [how, settingsOf] of [
      ["a user", () => ({})],
      ["the service account", () => strict.service],
    ] as const) {
      test(`is 503 if ${how} binds without TLS, and the log has advice`, async () => {
        await using worker = await strict.start(settingsOf());
        const reply = await worker.call("login", { username: "somebody", password: DIRECTORY_PASSWORD });
        assertRefused(reply, 503, "UNAVAILABLE");
        const { level, reason } = await lastLine(worker, "a request failed");
        assert.equal(level, 50);
        assert.match(
          String(reason),
          /result code 8 .*the directory demands TLS: use ldaps:\/\/ or start_tls/,
        );
        assert.deepEqual(linesOf(worker, "the directory refused a login"), []);
      });
    }

    test("succeeds over ldaps:// and over StartTLS", async () => {
      await strict.add("careful", ["API_PERMtls"]);
      const { url, tlsUrl, caFile } = strict.ad;
      for (const address of [url, tlsUrl]) {
        await using worker = await strict.start({ address, ca_file: caFile });
        assert.deepEqual(groupsIn(await worker.login("careful", DIRECTORY_PASSWORD)), ["tls"]);
      }
    });
  });

  for (const database of DATABASES) {
    test(`works for sixteen users at once, and for one user sixteen times at once, on ${database}`, async () => {
      await using worker = await start({}, {}, database);
      const names = Array.from({ length: 16 }, (_, index) => `${database}-${index}`);
      for (const name of names) await add(name, ["API_PERMshared"]);
      const tokens = await Promise.all(names.map((name) => worker.login(name, DIRECTORY_PASSWORD)));
      assert.deepEqual(
        tokens.map((token) => [decodeJwt(token).sub, groupsIn(token)]),
        names.map((name) => [name, ["shared"]]),
      );
      const one = `${database}-many`;
      await add(one, ["API_PERMshared", "API_PERMalone"]);
      const again = await Promise.all(names.map(() => worker.login(one, DIRECTORY_PASSWORD)));
      assert.deepEqual(
        again.map((token) => [decodeJwt(token).sub, groupsIn(token)]),
        names.map(() => [one, ["alone", "shared"]]),
      );
    });
  }
});
