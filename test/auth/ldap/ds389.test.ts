import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeJwt } from "jose";
import { DIRECTORY_PASSWORD, useDs389 } from "../../support/ds389.ts";
import { lastLine } from "../../support/log-lines.ts";
import { assertRefusedLogin } from "../../support/refused-login.ts";
import { assertRefused, dataOf } from "../../support/replies.ts";
import { type Attributes, missingFor } from "../../support/servers/directories.ts";
import type { TestWorker } from "../../support/worker.ts";

const skip = missingFor("ds389") ?? false;
const PAST = "20200101000000Z";
const FUTURE = "20990101000000Z";
/** Each exchange of an ID token revalidates the user. */
const ALWAYS = { revalidate_minutes: 0.000_01 };

describe("389 Directory Server", { skip }, () => {
  const directory = useDs389();
  const { add } = directory;
  let workers: readonly TestWorker[] = [];
  let count = 0;
  const newName = (): string => `user${++count}`;

  before(async () => {
    await directory.ds.setPolicy({
      passwordMustChange: "on",
      passwordExp: "on",
      passwordLockout: "on",
      passwordMaxFailure: "3",
    });
    workers = [
      await directory.start({ bind: `uid={username},${directory.ds.baseDn}`, ...ALWAYS }),
      await directory.start({ bind: "search", ...ALWAYS }),
      await directory.start({ bind: "search", nested_groups: true, ...ALWAYS }),
    ];
  });
  after(() => Promise.all(workers.map((worker) => worker[Symbol.asyncDispose]())));

  /** Lets the user set the password: one that an administrator sets must be changed. */
  async function addSettled(): Promise<{ username: string; dn: string }> {
    const username = newName();
    const dn = await add(username, ["API_PERMdev"]);
    await directory.ds.setAttributes(dn, { passwordExpirationTime: FUTURE, pwdReset: [] });
    return { username, dn };
  }

  test("logs users in with their groups, with each way to bind", async () => {
    for (const worker of workers) {
      const { username } = await addSettled();
      assert.deepEqual(decodeJwt(await worker.login(username, DIRECTORY_PASSWORD))["groups"], ["dev"]);
    }
  });

  for (const [what, attributes, label] of [
    ["a password that must be changed first", undefined, "must-change"],
    ["a password that has expired", { passwordExpirationTime: PAST }, "password-expired"],
    [
      "an account that is locked for a time",
      { accountUnlockTime: FUTURE, passwordRetryCount: "3" },
      "locked",
    ],
    ["an account that is inactivated", { nsAccountLock: "true" }, "ldap-53"],
    [
      "a password that FreeIPA takes for expired",
      { objectClass: ["inetOrgPerson", "nsMemberOf", "krbPrincipalAux"], krbPasswordExpiration: PAST },
      "password-expired",
    ],
    [
      "an account that FreeIPA takes for expired",
      { objectClass: ["inetOrgPerson", "nsMemberOf", "krbPrincipalAux"], krbPrincipalExpiration: PAST },
      "expired",
    ],
  ] as const satisfies readonly (readonly [string, Attributes | undefined, string])[]) {
    test(`refuses a login with ${what}, with each way to bind`, async () => {
      for (const worker of workers) {
        const { username, dn } = await addSettled();
        if (attributes === undefined)
          await directory.ds.setAttributes(dn, { userPassword: DIRECTORY_PASSWORD });
        else await directory.ds.setAttributes(dn, attributes);
        await assertRefusedLogin(worker, { username, password: DIRECTORY_PASSWORD }, label);
      }
    });

    test(`ends a session of ${what} at revalidation`, async () => {
      for (const worker of workers) {
        const { username, dn } = await addSettled();
        const id_token = await worker.login(username, DIRECTORY_PASSWORD);
        dataOf(await worker.call("token", { id_token }));
        if (attributes === undefined)
          await directory.ds.setAttributes(dn, { userPassword: DIRECTORY_PASSWORD });
        else await directory.ds.setAttributes(dn, attributes);
        assertRefused(await worker.call("token", { id_token }), 401, "INVALID_TOKEN");
        const { reason } = await lastLine(worker, "the directory ended a session");
        assert.equal(reason, label === "ldap-53" ? "disabled" : label);
      }
    });
  }

  test("ends the session of an account that failed logins have locked, but no other session", async () => {
    const [worker] = workers;
    const { username, dn } = await addSettled();
    const id_token = await worker!.login(username, DIRECTORY_PASSWORD);
    for (let attempt = 0; attempt < 2; attempt++)
      await assertRefusedLogin(worker!, { username, password: "nope" }, "ldap-49");
    dataOf(await worker!.call("token", { id_token }));
    await worker!.call("login", { username, password: "nope" });
    const { accountUnlockTime } = await directory.readAsRoot(dn, ["accountUnlockTime"]);
    assert.ok(accountUnlockTime, "the directory has not locked the account");
    assertRefused(await worker!.call("token", { id_token }), 401, "INVALID_TOKEN");
  });

  test("keeps the session of an account whose lock has ended and whose password expires later", async () => {
    const { username, dn } = await addSettled();
    const id_token = await workers[0]!.login(username, DIRECTORY_PASSWORD);
    await directory.ds.setAttributes(dn, {
      accountUnlockTime: PAST,
      passwordRetryCount: "0",
      nsAccountLock: "false",
    });
    dataOf(await workers[0]!.call("token", { id_token }));
  });

  test("is 503 if the service account must change its password, and the log has the reason", async () => {
    const dn = await directory.ds.addEntry(`cn=reset,${directory.ds.suffix}`, {
      objectClass: "person",
      cn: "reset",
      sn: "reset",
      userPassword: DIRECTORY_PASSWORD,
    });
    await directory.ds.setAttributes(dn, { userPassword: DIRECTORY_PASSWORD });
    await using worker = await directory.start({ bind_dn: dn, bind_password: DIRECTORY_PASSWORD });
    const { username } = await addSettled();
    assertRefused(await worker.call("login", { username, password: DIRECTORY_PASSWORD }), 503, "UNAVAILABLE");
    const { reason } = await lastLine(worker, "a request failed");
    assert.match(String(reason), /service account is refused .*the password must be changed first/);
  });
});
