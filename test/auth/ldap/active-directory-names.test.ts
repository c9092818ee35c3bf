import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeJwt } from "jose";
import { useActiveDirectory } from "../../support/active-directory.ts";
import { LOGIN_GROUP, DIRECTORY_PASSWORD } from "../../support/directory.ts";
import { lastLine, linesOf } from "../../support/log-lines.ts";
import { assertRefusedLogin, usersIn } from "../../support/refused-login.ts";
import { addEntry, type Editor, missingFor, withClient } from "../../support/servers/directories.ts";
import type { TestWorker } from "../../support/worker.ts";

const skip = missingFor("samba") ?? false;

const LEFT_OUT =
  "directory groups were ignored: group_regex does not match their names, or they end with a space";

/** Values for the cn of a user and a group; a leading # or blank has special rules in a DN. */
const SPECIAL = [
  "Doe, Jane",
  'Jane "Jay" Doe',
  "back\\slash\\",
  "\\2C is no comma",
  "#hash",
  " lead and trail ",
  "(parentheses)*",
  "plus+equals=<semi;colon>",
  "Jürgen Müßig 李",
];

/** Usernames that are not sent to a directory: they would name other domains, accounts or filters, or have a NUL. */
const UNASKABLE = [
  ...["AD\\alice", "ad.local\\alice", ".\\alice", "\\alice", "alice@ad.local", "alice@AD", "AD/alice"],
  ...["alice ", " alice", "\talice", "alice\u00a0", "alice\n", "alice\0", "alice\0x", "\0", "", " "],
  ...["*", "ali*", "*)(sAMAccountName=*", "alice)(sAMAccountName=bob by", "\\61lice", "ali\\63e", '"alice"'],
  ...["CN=alice,CN=Users,DC=ad,DC=local", "alice,CN=Users", "<SID=S-1-5-21-1-2-3-500>", "alice;", "a|b"],
];

/** Usernames that are similar to an existing one. */
const ALIKE = ["ａｌｉｃｅ", "alicé", "alice\u200b", "alice)", "(alice)", "alice)(objectClass", "al ice"];

const groupsIn = (idToken: string): unknown => decodeJwt(idToken)["groups"];
const subjectOf = (idToken: string): unknown => decodeJwt(idToken).sub;

describe("a login by Active Directory", { skip }, () => {
  const directory = useActiveDirectory();
  const { add, start } = directory;

  const editorAs = (dn: string, password: string): Editor => {
    const { tlsUrl: url, caFile } = directory.ad;
    return { url, caFile, dn, password };
  };

  describe("with special characters in distinguished names", () => {
    let workers: TestWorker[] = [];
    before(async () => {
      const settings = { nested_groups: true, groups_prefix: "" };
      const app = { group_regex: ".{1,50}" };
      workers = [await start(settings, app), await start({ ...settings, ...directory.service }, app)];
    });
    after(() => Promise.all(workers.map((worker) => worker[Symbol.asyncDispose]())));

    for (const [index, cn] of SPECIAL.entries()) {
      test(`knows the user and the groups called ${JSON.stringify(cn)}`, async () => {
        const sAMAccountName = `special-${index}`;
        const dn = await add(cn, [], { attributes: { sAMAccountName, userPrincipalName: [] } });
        const inner = await directory.ad.addGroup(cn, { members: [dn] });
        await directory.ad.addGroup(`${cn}outer`, { members: [inner] });
        for (const worker of workers) {
          const groups = groupsIn(await worker.login(sAMAccountName, DIRECTORY_PASSWORD));
          // A name with a space at its end equals another name on MySQL, so it is ignored.
          const known = [LOGIN_GROUP, cn, `${cn}outer`].filter((name) => !name.endsWith(" "));
          assert.deepEqual(groups, known.sort());
        }
      });
    }
  });

  test("finds users below a base_dn with special characters, in each spelling", async () => {
    const unit = `OU=Käse\\, \\"A\\" #1,${directory.ad.suffix}`;
    const admin = editorAs(directory.ad.adminDn, directory.ad.adminPassword);
    await addEntry(admin, unit, { objectClass: "organizationalUnit", ou: 'Käse, "A" #1' });
    await add("cheese", ["API_PERMcheese"], { dn: `CN=cheese,${unit}` });
    for (const base_dn of [unit, "ou=k\\c3\\84se\\2c \\22A\\22 #1, dc=ad, dc=local"]) {
      await using worker = await start({ base_dn, nested_groups: true, ...directory.service });
      assert.deepEqual(groupsIn(await worker.login("cheese", DIRECTORY_PASSWORD)), ["cheese"]);
    }
  });

  test("works with the default domain of py_auth_micro, case-insensitively", async () => {
    await add("everyday", ["API_PERMdev"]);
    for (const settings of [
      { domain: undefined },
      { domain: "AD.LOCAL" },
      { domain: "ad.local", nested_groups: true },
    ]) {
      await using worker = await start(settings);
      const id_token = await worker.login("everyday", DIRECTORY_PASSWORD);
      assert.deepEqual(groupsIn(id_token), ["dev"]);
      await assertRefusedLogin(worker, { username: "everyday", password: "nope" }, "52e");
    }
    // bind overrides the default for the domain.
    await using worker = await start({ domain: "ad.local", bind: "{domain}\\{username}" });
    await assertRefusedLogin(worker, { username: "everyday", password: DIRECTORY_PASSWORD }, "52e");
  });

  test("ignores a group whose name the default group_regex rejects, and logs it", async () => {
    await using worker = await start();
    await add("odd-groups", ["API_PERMx, y", "API_PERM", "API_PERMfine", "aPi_pErMlower"]);
    assert.deepEqual(groupsIn(await worker.login("odd-groups", DIRECTORY_PASSWORD)), ["fine", "lower"]);
    const { username, groups } = await lastLine(worker, LEFT_OUT);
    assert.deepEqual([username, groups], ["odd-groups", ["x, y"]]);
  });

  test("uses only the whole cn of a group's DN as its name", async () => {
    await using worker = await start({}, { group_regex: ".{1,50}" });
    const names = ["x,CN=API_PERMroot", "\\,CN=API_PERMroot", " API_PERMroot", '"API_PERMroot"'];
    const member = await add("no-root", [...names, "API_PERM=root", "API_PERM root", "API_PERMx, y"]);
    const unit = `OU=API_PERMroot,${directory.ad.groupsDn}`;
    const admin = editorAs(directory.ad.adminDn, directory.ad.adminPassword);
    await addEntry(admin, unit, { objectClass: "organizationalUnit", ou: "API_PERMroot" });
    await directory.ad.addGroup("plain", { dn: `CN=plain,${unit}`, members: [member] });
    assert.deepEqual(groupsIn(await worker.login("no-root", DIRECTORY_PASSWORD)), [" root", "=root", "x, y"]);
    assert.deepEqual(linesOf(worker, LEFT_OUT), []);
  });

  describe("does not confuse usernames,", () => {
    before(async () => {
      await add("alice");
      await add("bob by");
    });

    for (const [how, settingsOf, unknown] of [
      ["as DOMAIN\\user", () => ({}), "52e"],
      ["as user@domain", () => ({ bind: "{username}@ad.local" }), "52e"],
      ["as user@domain, the default for a domain with a dot", () => ({ domain: "ad.local" }), "52e"],
      ["by a DN", () => ({ bind: `CN={username},${directory.ad.usersDn}` }), "52e"],
      ["as the entry that a service account found", () => directory.service, "unknown"],
    ] as const) {
      test(`${how}, with any characters`, async () => {
        await using worker = await start(settingsOf(), { username_regex: "[^]{0,64}" });
        const password = DIRECTORY_PASSWORD;
        for (const username of UNASKABLE)
          await assertRefusedLogin(worker, { username, password }, "unaskable");
        for (const username of ALIKE) await assertRefusedLogin(worker, { username, password }, unknown);
        // The directory treats several blanks as one.
        await assertRefusedLogin(worker, { username: "bob  by", password }, "other-name");
        assert.deepEqual(await usersIn(worker), []);
        assert.equal(subjectOf(await worker.login("ALICE", DIRECTORY_PASSWORD)), "alice");
        assert.equal(subjectOf(await worker.login("Bob By", DIRECTORY_PASSWORD)), "bob by");
      });
    }
  });

  describe("does not issue a session of another user", () => {
    const MINE = "the password of mallory";
    /** Two users who may log in; mallory has the victim's name in some attribute. */
    const addPair = async (
      victim: string,
      mallory: string,
      { theirs = {}, mine = {} }: { theirs?: Record<string, string>; mine?: Record<string, string> },
    ): Promise<void> => {
      await add(victim, ["API_PERMvictim"], { attributes: theirs });
      await directory.ad.addUser(mallory, MINE, { groups: [LOGIN_GROUP], attributes: mine });
    };

    for (const suffix of ["AD", "other.example"]) {
      test(`to a user with that name before @${suffix} in the userPrincipalName`, async () => {
        const [victim, mallory] = [`victim-${suffix.length}`, `mallory-${suffix.length}`];
        const userPrincipalName = `${victim}@${suffix}`;
        await addPair(victim, mallory, { mine: { userPrincipalName } });
        assert.ok(await withClient(editorAs(userPrincipalName, MINE), async () => true), "a bind succeeds");
        await using worker = await start({ bind: `{username}@${suffix}` });
        await assertRefusedLogin(worker, { username: victim, password: MINE }, "52e");
        await using safe = await start();
        await assertRefusedLogin(safe, { username: victim, password: MINE }, "52e");
        assert.equal(subjectOf(await safe.login(victim, DIRECTORY_PASSWORD)), victim);
        assert.equal(subjectOf(await safe.login(mallory, MINE)), mallory);
      });
    }

    test("to a user with that name in the DN", async () => {
      await addPair("cn-of-victim", "name-of-victim", {
        theirs: { sAMAccountName: "name-of-victim", userPrincipalName: "one@ad.local" },
        mine: { sAMAccountName: "name-of-mallory", userPrincipalName: "two@ad.local" },
      });
      await using worker = await start({ bind: `CN={username},${directory.ad.usersDn}` });
      await assertRefusedLogin(worker, { username: "name-of-victim", password: MINE }, "52e");
    });

    test("to a user whose Windows logon name is what user_filter matches for the other user", async () => {
      await addPair("victim-by-number", "4711", { theirs: { employeeID: "4711" } });
      await using worker = await start({ user_filter: "(&(objectClass=user)(employeeID={username}))" });
      await assertRefusedLogin(worker, { username: "4711", password: MINE }, "52e");
      await assertRefusedLogin(worker, { username: "4711", password: DIRECTORY_PASSWORD }, "52e");
    });
  });
});
