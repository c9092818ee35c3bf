import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeJwt } from "jose";
import { useActiveDirectory } from "../../support/active-directory.ts";
import { LOGIN_GROUP, DIRECTORY_PASSWORD } from "../../support/directory.ts";
import { lastLine, linesOf } from "../../support/log-lines.ts";
import { assertRefusedLogin, usersIn } from "../../support/refused-login.ts";
import { assertRefused, dataOf } from "../../support/replies.ts";
import { missingFor } from "../../support/servers/directories.ts";
import { waitUntil } from "../../support/servers/scratch.ts";
import type { TestWorker } from "../../support/worker.ts";

const skip = missingFor("samba") ?? false;

const ENDED = "the directory ended a session";
/** Each exchange of an ID token revalidates the user. */
const ALWAYS = { revalidate_minutes: 0.000_01 };

const tokensOf = ({ db }: TestWorker, username: string) =>
  db.selectFrom("token").selectAll().where("user_id", "=", username).execute();

async function groupsOf(worker: TestWorker, id_token: string): Promise<unknown> {
  const { access_token } = dataOf(await worker.call("token", { id_token }));
  return decodeJwt(access_token as string)["groups"];
}

describe("a session of a user of Active Directory", { skip }, () => {
  const directory = useActiveDirectory();
  const { add, start } = directory;

  describe("whose revalidation is due", () => {
    let worker: TestWorker;
    before(async () => {
      worker = await start({ ...directory.service, ...ALWAYS });
    });
    after(() => worker[Symbol.asyncDispose]());

    for (const [what, reason, again, change] of [
      ["disabled", "disabled", "533", (dn: string) => directory.ad.refuse(dn, "disabled")],
      ["expired", "expired", "701", (dn: string) => directory.ad.refuse(dn, "account expired")],
      ["deleted", "unknown", "unknown", (dn: string) => directory.ad.deleteEntry(dn)],
      [
        "renamed",
        "unknown",
        "unknown",
        (dn: string) => directory.ad.setAttributes(dn, { sAMAccountName: "new-name" }),
      ],
      [
        "taken out of the login group",
        "not-in-group",
        "not-in-group",
        (dn: string) => directory.ad.removeMember(LOGIN_GROUP, dn),
      ],
    ] as const) {
      test(`ends when the account was ${what}`, async () => {
        const username = `user-${what.slice(0, 7).replace(" ", "-")}`;
        const dn = await add(username, ["API_PERMdev"]);
        const id_token = await worker.login(username, DIRECTORY_PASSWORD);
        assert.deepEqual(await groupsOf(worker, id_token), ["dev"]);
        await change(dn);
        assertRefused(await worker.call("token", { id_token }), 401, "INVALID_TOKEN");
        assert.deepEqual(await tokensOf(worker, username), []);
        const line = await lastLine(worker, ENDED);
        assert.deepEqual([line.level, line["username"], line["reason"]], [30, username, reason]);
        assert.equal(typeof line["detail"], "string");
        assertRefused(await worker.call("token", { id_token }), 401, "INVALID_TOKEN");
        await assertRefusedLogin(worker, { username, password: DIRECTORY_PASSWORD }, again);
        assert.ok((await usersIn(worker)).includes(username), "the row stays");
      });
    }

    test("continues with the current groups and email of the account", async () => {
      const dn = await add("still-here", ["API_PERMold", "API_PERMkept"], { mail: "old@example.com" });
      const id_token = await worker.login("STILL-here", DIRECTORY_PASSWORD);
      await directory.ad.removeMember("API_PERMold", dn);
      await directory.ad.addGroup("API_PERMnew", { members: [dn] });
      await directory.ad.setAttributes(dn, { mail: "new@example.com" });
      assert.deepEqual(await groupsOf(worker, id_token), ["kept", "new"]);
      const query = worker.db.selectFrom("user").select("email").where("username", "=", "still-here");
      assert.equal((await query.executeTakeFirst())?.email, "new@example.com");
      assert.equal((await tokensOf(worker, "still-here")).length, 1);
    });

    test("is revalidated by sixteen concurrent requests, whether it continues or ends", async () => {
      const dn = await add("in-parallel", ["API_PERMone", "API_PERMtwo"]);
      const id_token = await worker.login("in-parallel", DIRECTORY_PASSWORD);
      const sixteen = Array.from({ length: 16 });
      await directory.ad.removeMember("API_PERMone", dn);
      await directory.ad.addGroup("API_PERMthree", { members: [dn] });
      const groups = await Promise.all(sixteen.map(() => groupsOf(worker, id_token)));
      for (const one of groups) assert.deepEqual(one, ["three", "two"]);
      await directory.ad.refuse(dn, "disabled");
      const replies = await Promise.all(sixteen.map(() => worker.call("token", { id_token })));
      for (const reply of replies) assertRefused(reply, 401, "INVALID_TOKEN");
    });

    for (const [why, reason] of [
      ["must change password", "must-change"],
      ["password expired", "password-expired"],
      ["locked out", "locked"],
    ] as const) {
      test(`ends if the directory reports: ${why}`, async () => {
        const username = why.replaceAll(" ", "-");
        const dn = await add(username);
        const id_token = await worker.login(username, DIRECTORY_PASSWORD);
        assert.deepEqual(await groupsOf(worker, id_token), []);
        await directory.ad.refuse(dn, why);
        assertRefused(await worker.call("token", { id_token }), 401, "INVALID_TOKEN");
        assert.equal((await lastLine(worker, ENDED))["reason"], reason);
      });
    }

    test("continues outside the user's logon hours, and if the password never expires", async () => {
      const dn = await add("night-shift");
      const id_token = await worker.login("night-shift", DIRECTORY_PASSWORD);
      await directory.ad.refuse(dn, "outside logon hours");
      assert.deepEqual(await groupsOf(worker, id_token), []);
      // pwdLastSet 0 has no effect if the password does not expire (0x10000 of userAccountControl).
      await directory.ad.setAttributes(dn, { userAccountControl: "66048" });
      await directory.ad.refuse(dn, "must change password");
      assert.deepEqual(await groupsOf(worker, id_token), []);
    });

    test("is kept while the service account is refused: 503 until a worker tries it again", async () => {
      const settings = { ...directory.service, ...ALWAYS, bind: "{domain}\\{username}" };
      const other = await start(settings);
      const dn = await add("patient");
      const id_token = await other.login("patient", DIRECTORY_PASSWORD);
      await directory.ad.setPassword(directory.ad.serviceDn, "another password");
      try {
        assertRefused(await other.call("token", { id_token }), 503, "UNAVAILABLE");
        const { reason } = await lastLine(other, "a request failed");
        assert.match(String(reason), /service account is refused .*data 52e.*: check ldap_settings\.bind_dn/);
      } finally {
        await directory.ad.setPassword(directory.ad.serviceDn, directory.ad.servicePassword);
      }
      assertRefused(await other.call("token", { id_token }), 503, "UNAVAILABLE");
      assert.equal((await tokensOf(other, "patient")).length, 1);
      // Users bind with their own names, so logins are not affected.
      await other.login("patient", DIRECTORY_PASSWORD);
      await directory.ad.refuse(dn, "disabled");
      await other[Symbol.asyncDispose]();
    });
  });

  test("ends with nested_groups if an outer group leaves the login group", async () => {
    await using worker = await start({ ...directory.service, ...ALWAYS, nested_groups: true });
    const dn = await directory.ad.addUser("in-a-team", DIRECTORY_PASSWORD);
    const team = await directory.ad.addGroup("API_PERMteam", { members: [dn] });
    const house = await directory.ad.addGroup("house", { members: [team] });
    await directory.ad.addMember(LOGIN_GROUP, house);
    const id_token = await worker.login("in-a-team", DIRECTORY_PASSWORD);
    assert.deepEqual(await groupsOf(worker, id_token), ["team"]);
    await directory.ad.removeMember(LOGIN_GROUP, house);
    assertRefused(await worker.call("token", { id_token }), 401, "INVALID_TOKEN");
  });

  for (const [when, settingsOf] of [
    ["within revalidate_minutes", () => directory.service],
    ["with revalidate_minutes 0", () => ({ ...directory.service, revalidate_minutes: 0 })],
    ["without a service account", () => ALWAYS],
  ] as const) {
    test(`is not revalidated ${when}`, async () => {
      const username = when.replaceAll(" ", "-").slice(0, 20);
      const dn = await add(username);
      await using worker = await start(settingsOf());
      const id_token = await worker.login(username, DIRECTORY_PASSWORD);
      await directory.ad.deleteEntry(dn);
      assert.deepEqual(await groupsOf(worker, id_token), []);
      assert.deepEqual(linesOf(worker, ENDED), []);
    });
  }

  test("works without the directory until its revalidation is due, then is 503 until it is back", async () => {
    await using worker = await start(directory.service);
    await using strict = await start({ ...directory.service, ...ALWAYS });
    await add("stranded", ["API_PERMdev"]);
    const fresh = await worker.login("stranded", DIRECTORY_PASSWORD);
    const stale = await strict.login("stranded", DIRECTORY_PASSWORD);
    await strict.addUser("local-user", DIRECTORY_PASSWORD);
    await directory.ad.stop();
    assert.deepEqual(await groupsOf(worker, fresh), ["dev"]);
    assertRefused(await strict.call("token", { id_token: stale }), 503, "UNAVAILABLE");
    const right = { username: "stranded", password: DIRECTORY_PASSWORD };
    assertRefused(await strict.call("login", right), 503, "UNAVAILABLE");
    assertRefused(await worker.call("login", right), 503, "UNAVAILABLE");
    // Requests that do not reach the directory work.
    await assertRefusedLogin(strict, { username: "stranded", password: "" }, "unaskable");
    dataOf(await strict.call("token", { id_token: await strict.login("local-user", DIRECTORY_PASSWORD) }));
    assert.equal((await tokensOf(strict, "stranded")).length, 1);
    assert.equal(linesOf(strict, ENDED).length, 0);
    await directory.ad.restart();
    // After a failure, a worker does not use the server for a second.
    const comesBack = (name: string, call: () => ReturnType<TestWorker["call"]>) =>
      waitUntil(name, async () => (await call()).resp_code === 200, { seconds: 20 });
    await comesBack("an access token", () => strict.call("token", { id_token: stale }));
    await comesBack("a login", () => worker.call("login", right));
  });
});
