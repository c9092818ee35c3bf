import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { LOGIN_GROUP, DIRECTORY_PASSWORD, useDirectory } from "../../support/directory.ts";
import { lastLine, linesOf } from "../../support/log-lines.ts";
import { assertRefused } from "../../support/replies.ts";
import { missingFor } from "../../support/servers/directories.ts";
import type { TestWorker } from "../../support/worker.ts";

const skip = missingFor("openldap") ?? false;
const REFUSED = "the directory refused a login";

describe("the directory refuses", { skip }, () => {
  const directory = useDirectory();
  const { add, start } = directory;

  for (const [how, settings] of [
    ["as the name in the template", {}],
    ["as the entry that the service account found", { bind: "search" }],
  ] as const) {
    describe(`a bind ${how}:`, () => {
      const startOne = () => start("bind" in settings ? { ...settings, ...directory.service } : settings);
      before(async () => {
        for (const name of ["insider", "outsider", "emptied"]) {
          await directory.ldap.deleteEntry(directory.ldap.dnOf(name)).catch(() => undefined);
        }
        await add("insider", ["API_PERMdev"]);
        await directory.ldap.addUser("outsider", DIRECTORY_PASSWORD, { groups: ["API_PERMdev"] });
      });

      /** Asserts the reply, the log line and the counter of a refused login. */
      const assertVerdict = async (username: string, password: string, label: string): Promise<void> => {
        await using worker = await startOne();
        await worker.addUser("local-one", DIRECTORY_PASSWORD);
        const wrong = await worker.call("login", { username: "local-one", password: "nope" });
        const reply = await worker.call("login", { username, password });
        assertRefused(reply, 401, "INVALID_CREDENTIALS");
        assert.deepEqual(reply, wrong, "the same as for a local user");
        const line = await lastLine(worker, REFUSED);
        assert.deepEqual([line["username"], line["reason"], line.level], [username, label, 30]);
        assert.equal(typeof line["detail"], "string");
        assert.deepEqual(await usernames(worker), ["local-one"], "no row is made");
        await worker.worker.stop();
        const counters = (await lastLine(worker, "stopped"))["counters"] as Record<string, unknown>;
        assert.deepEqual(counters["directory_refusals_total"], { [label]: 1 });
      };

      test("a wrong password", () => assertVerdict("insider", "nope", "ldap-49"));
      test("an unknown username", () =>
        assertVerdict("nobody-here", DIRECTORY_PASSWORD, "bind" in settings ? "unknown" : "ldap-49"));
      test("a user outside of the login group", () =>
        assertVerdict("outsider", DIRECTORY_PASSWORD, "not-in-group"));
      test("an empty password, without a connection", () => assertVerdict("insider", "", "unaskable"));
      test("a password with a NUL, without a connection", () =>
        assertVerdict("insider", `${DIRECTORY_PASSWORD}\0more`, "unaskable"));
    });
  }

  test("a user who matches the bind template but not the filter", async () => {
    await using worker = await start({ user_filter: "(&(objectClass=nothing)(sAMAccountName={username}))" });
    const reply = await worker.call("login", { username: "insider", password: DIRECTORY_PASSWORD });
    assertRefused(reply, 401, "INVALID_CREDENTIALS");
    assert.equal((await lastLine(worker, REFUSED))["reason"], "unknown");
  });

  test("a username of two entries", async () => {
    const { ldap } = directory;
    await ldap.addEntry(`ou=Twins,${ldap.baseDn}`, { objectClass: "organizationalUnit", ou: "Twins" });
    await add("twin", [], {});
    const other = {
      objectClass: "user",
      cn: "other",
      sn: "x",
      sAMAccountName: "twin",
      userPassword: DIRECTORY_PASSWORD,
    };
    await ldap.addEntry(`cn=other,ou=Twins,${ldap.baseDn}`, other);
    await using worker = await start({ bind: "search", ...directory.service });
    const reply = await worker.call("login", { username: "twin", password: DIRECTORY_PASSWORD });
    assertRefused(reply, 401, "INVALID_CREDENTIALS");
    assert.equal((await lastLine(worker, REFUSED))["reason"], "ambiguous");
  });

  test("a bind name that belongs to another entry than the filter finds", async () => {
    const { ldap } = directory;
    // The template gives cn=victim's-name; the filter finds the victim's entry by its sAMAccountName.
    await ldap.addEntry(`ou=Others,${ldap.suffix}`, { objectClass: "organizationalUnit", ou: "Others" });
    const thief = {
      objectClass: "user",
      cn: "victim",
      sn: "x",
      sAMAccountName: "thief",
      userPassword: "stolen",
    };
    await ldap.addEntry(`cn=victim,ou=Others,${ldap.suffix}`, thief);
    await add("victim", ["API_PERMadmin"]);
    await using worker = await start({ bind: `cn={username},ou=Others,${ldap.suffix}` });
    const reply = await worker.call("login", { username: "victim", password: "stolen" });
    assertRefused(reply, 401, "INVALID_CREDENTIALS");
    assert.deepEqual(await usernames(worker), []);
  });

  test("usernames that would change the filter, domain or account, even if username_regex allows them", async () => {
    await add("alice", ["API_PERMadmin"]);
    const names = [
      ...["*", "ali*", "alice)(cn=*", "*)(objectClass=*", "(alice)", "alice\\2a", "a\\lice"],
      ...["AD\\alice", "ad.local\\alice", "alice@ad.local", "alice@", "@alice", "ad.local/User/alice"],
      ...["alice\0", "alice\0x", "\0", " alice", "alice ", "\talice", "alice\n", "ａlice", "alicé"],
      ...[
        "alice,ou=User",
        "cn=alice",
        "alice+uid=1",
        '"alice"',
        "#alice",
        "alice;x",
        "<alice>",
        "{username}",
      ],
    ];
    for (const settings of [{}, { bind: "search", ...directory.service }]) {
      await using worker = await start(settings, "sqlite", { username_regex: "[\\s\\S]{1,64}" });
      for (const username of names) {
        const reply = await worker.call("login", { username, password: DIRECTORY_PASSWORD });
        assertRefused(reply, 401, "INVALID_CREDENTIALS");
      }
      assert.deepEqual(await usernames(worker), []);
      await worker.login("ALICE", DIRECTORY_PASSWORD);
      assert.deepEqual(await usernames(worker), ["alice"]);
    }
  });

  test("no existing username because of brackets, blanks, quotes or dots", async () => {
    const names = ["Jane (ops)", "O'Neil", "j.doe", "dash-_x", "Jürgen", "two  blanks", "{}", "100%&!"];
    const app = { username_regex: ".{1,64}" };
    for (const name of names) await add(name);
    for (const settings of [{}, { bind: "search", ...directory.service }]) {
      await using worker = await start(settings, "sqlite", app);
      for (const name of names) await worker.login(name, DIRECTORY_PASSWORD);
      assert.deepEqual((await usernames(worker)).toSorted(), names.toSorted());
    }
  });

  test("users whose entries only look like members of the login group", async () => {
    const { ldap } = directory;
    // The login group's name inside a value, in another attribute type or in a parent does not count.
    const dn = await ldap.addUser("pretender", DIRECTORY_PASSWORD, { groups: [`x,cn=${LOGIN_GROUP}`] });
    await ldap.addEntry(`ou=${LOGIN_GROUP},${ldap.groupsDn}`, {
      objectClass: "organizationalUnit",
      ou: LOGIN_GROUP,
    });
    await ldap.addEntry(`cn=inside,ou=${LOGIN_GROUP},${ldap.groupsDn}`, {
      objectClass: "groupOfNames",
      cn: "inside",
      member: dn,
    });
    await using worker = await start();
    const reply = await worker.call("login", { username: "pretender", password: DIRECTORY_PASSWORD });
    assertRefused(reply, 401, "INVALID_CREDENTIALS");
    assert.equal(linesOf(worker, REFUSED).at(-1)?.["reason"], "not-in-group");
  });
});

async function usernames({ db }: TestWorker): Promise<string[]> {
  return (await db.selectFrom("user").select("username").execute()).map(({ username }) => username);
}
