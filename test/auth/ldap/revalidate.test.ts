import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeJwt } from "jose";
import { fromSqlTime, toSqlTime } from "../../../src/db/time.ts";
import { LOGIN_GROUP, DIRECTORY_PASSWORD, useDirectory } from "../../support/directory.ts";
import { lastLine, linesOf } from "../../support/log-lines.ts";
import { startProxy } from "../../support/proxy.ts";
import { assertRefused, dataOf } from "../../support/replies.ts";
import { missingFor } from "../../support/servers/directories.ts";
import { DATABASES, type TestWorker } from "../../support/worker.ts";

const skip = missingFor("openldap") ?? false;
const ENDED = "the directory ended a session";
const HOUR = 3_600_000;

/** Sets the age of the last revalidation, in milliseconds. */
async function age({ db }: TestWorker, username: string, ms: number): Promise<void> {
  const validated_at = toSqlTime(new Date(Date.now() - ms));
  await db.updateTable("token").set({ validated_at }).where("user_id", "=", username).execute();
}

const tokenRow = ({ db }: TestWorker, username: string) =>
  db.selectFrom("token").selectAll().where("user_id", "=", username).executeTakeFirst();

for (const database of DATABASES) {
  describe(`an exchange of a directory user's ID token on ${database}`, { skip }, () => {
    const directory = useDirectory();
    const { add, start } = directory;
    let worker: TestWorker;
    before(async () => {
      worker = await start(directory.service, database);
    });
    after(() => worker[Symbol.asyncDispose]());

    const accessGroups = async (id_token: string): Promise<unknown> =>
      decodeJwt(dataOf(await worker.call("token", { id_token }))["access_token"] as string)["groups"];

    test("works for an hour without the directory, then revalidates and records the time", async () => {
      const dn = await add("checked", ["API_PERMbefore"]);
      const id_token = await worker.login("checked", DIRECTORY_PASSWORD);
      await ldapGroups(dn, "API_PERMbefore", "API_PERMafter");
      await age(worker, "checked", HOUR - 60_000);
      assert.deepEqual(await accessGroups(id_token), ["before"]);
      await age(worker, "checked", HOUR + 1000);
      assert.deepEqual(await accessGroups(id_token), ["after"], "groups are those of the directory now");
      const row = await tokenRow(worker, "checked");
      const passed = Date.now() - fromSqlTime(row!.validated_at!).getTime();
      assert.ok(passed < 60_000, `${passed} ms`);
      await ldapGroups(dn, "API_PERMafter", "API_PERMlater");
      assert.deepEqual(await accessGroups(id_token), ["after"]);
    });

    const ldapGroups = async (dn: string, old: string, next: string): Promise<void> => {
      await directory.ldap.removeMember(old, dn);
      await directory.ldap.addGroup(next, [dn]);
    };

    for (const [what, label, remove] of [
      [
        "is disabled",
        "disabled",
        (dn: string) => directory.ldap.setAttributes(dn, { userAccountControl: "514" }),
      ],
      [
        "has expired",
        "expired",
        (dn: string) => directory.ldap.setAttributes(dn, { accountExpires: "132000000000000000" }),
      ],
      ["is gone", "unknown", (dn: string) => directory.ldap.deleteEntry(dn)],
      [
        "is not in the login group",
        "not-in-group",
        (dn: string) => directory.ldap.removeMember(LOGIN_GROUP, dn),
      ],
    ] as const) {
      test(`ends the session of an account that ${what}`, async () => {
        const username = `user-${label}`;
        const dn = await add(username);
        const id_token = await worker.login(username, DIRECTORY_PASSWORD);
        await remove(dn);
        dataOf(await worker.call("token", { id_token }));
        await age(worker, username, 2 * HOUR);
        assertRefused(await worker.call("token", { id_token }), 401, "INVALID_TOKEN");
        assert.equal(await tokenRow(worker, username), undefined, "the token is revoked");
        const line = await lastLine(worker, ENDED);
        assert.deepEqual([line["username"], line["reason"], line.level], [username, label, 30]);
        assertRefused(await worker.call("token", { id_token }), 401, "INVALID_TOKEN");
      });
    }

    test("works for an account that expires later or never", async () => {
      const later = (BigInt(Date.now() + HOUR) + 11_644_473_600_000n) * 10_000n;
      for (const accountExpires of [String(later), "0", "9223372036854775807"]) {
        const username = `expires-${accountExpires.length}`;
        const dn = await add(username);
        await directory.ldap.setAttributes(dn, { accountExpires, userAccountControl: "512" });
        const id_token = await worker.login(username, DIRECTORY_PASSWORD);
        await age(worker, username, 2 * HOUR);
        dataOf(await worker.call("token", { id_token }));
      }
    });

    test("never revalidates a local user", async () => {
      await worker.addUser("local-one", DIRECTORY_PASSWORD);
      const id_token = await worker.login("local-one", DIRECTORY_PASSWORD);
      assert.equal((await tokenRow(worker, "local-one"))?.validated_at, null);
      dataOf(await worker.call("token", { id_token }));
    });
  });
}

describe("an exchange of a directory user's ID token", { skip }, () => {
  const directory = useDirectory();
  const { add, start } = directory;

  test("is 503 if the directory is unavailable, and keeps the session", async () => {
    await using proxy = await startProxy(directory.ldap.port);
    await using worker = await start({ ...directory.service, address: `ldap://127.0.0.1:${proxy.port}` });
    await add("patient");
    const id_token = await worker.login("patient", DIRECTORY_PASSWORD);
    await age(worker, "patient", 2 * HOUR);
    proxy.cut();
    assertRefused(await worker.call("token", { id_token }), 503, "UNAVAILABLE");
    assert.ok(await tokenRow(worker, "patient"), "the session has ended");
    assert.equal(linesOf(worker, ENDED).length, 0);
  });

  for (const [what, settings] of [
    ["without a service account", () => ({})],
    ["with revalidate_minutes 0", () => ({ ...directory.service, revalidate_minutes: 0 })],
  ] as const) {
    test(`never revalidates ${what}`, async () => {
      await using worker = await start(settings());
      const username = `free-${what.length}`;
      const dn = await add(username);
      const id_token = await worker.login(username, DIRECTORY_PASSWORD);
      await directory.ldap.deleteEntry(dn);
      await age(worker, username, 100 * HOUR);
      dataOf(await worker.call("token", { id_token }));
    });
  }
});
