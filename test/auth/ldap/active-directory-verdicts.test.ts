import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { useActiveDirectory } from "../../support/active-directory.ts";
import { DIRECTORY_PASSWORD } from "../../support/directory.ts";
import { lastLine } from "../../support/log-lines.ts";
import { assertRefusedLogin, usersIn } from "../../support/refused-login.ts";
import { missingFor } from "../../support/servers/directories.ts";
import type { TestWorker } from "../../support/worker.ts";

const skip = missingFor("samba") ?? false;

/** The state of an account, and the logged reason and detail of a login with the right password. */
const ACCOUNTS = [
  ["disabled", "533", "the account is disabled"],
  ["account expired", "701", "the account has expired"],
  ["password expired", "532", "the password has expired"],
  ["must change password", "773", "the password must be changed first"],
  ["locked out", "775", "the account is locked out"],
  ["outside logon hours", "530", "logins are not allowed at this time"],
] as const;

describe("Active Directory refuses a login", { skip }, () => {
  const directory = useActiveDirectory();
  const { add, start } = directory;

  for (const [how, settingsOf, unknown, saying] of [
    ["as DOMAIN\\user", () => ({}), "52e", "wrong password, or no such user"],
    [
      "as the entry that a service account found",
      () => directory.service,
      "unknown",
      "no entry below base_dn matches user_filter",
    ],
  ] as const) {
    describe(how, () => {
      let worker: TestWorker;
      let username: string;
      let number = 0;
      before(async () => {
        worker = await start(settingsOf());
      });
      after(() => worker[Symbol.asyncDispose]());

      /** Asserts that a login is refused with this reason and detail. */
      const assertVerdict = async (
        reason: string,
        detail: string,
        password = DIRECTORY_PASSWORD,
      ): Promise<void> => {
        const line = await assertRefusedLogin(worker, { username, password }, reason);
        assert.equal(line["detail"], detail);
      };
      const addOne = (): Promise<string> => {
        username = `user-${unknown}-${++number}`;
        return add(username);
      };

      test("with a wrong password", async () => {
        await addOne();
        await assertVerdict("52e", "wrong password, or no such user", "nope");
      });

      test("of an unknown username", async () => {
        username = "nobody-here";
        await assertVerdict(unknown, saying);
      });

      for (const [why, label, detail] of ACCOUNTS) {
        test(`with the right password of an account: ${why}`, async () => {
          await directory.ad.refuse(await addOne(), why);
          await assertVerdict(label, detail);
        });
      }

      test("of a user outside of the login group", async () => {
        username = `outsider-${unknown}`;
        await directory.ad.addUser(username, DIRECTORY_PASSWORD, {
          groups: ["API_PERMdev", "not_allowed_to_login"],
        });
        await assertVerdict("not-in-group", "the user is not in the login group (ldap_settings.group)");
      });

      test("with an empty password, or one with a NUL", async () => {
        await addOne();
        for (const password of ["", "\0", `${DIRECTORY_PASSWORD}\0`, `${DIRECTORY_PASSWORD}\0more`])
          await assertVerdict(
            "unaskable",
            "the username or password is empty or has forbidden characters",
            password,
          );
      });

      test("of a user with an account, which stays unchanged", async () => {
        const dn = await addOne();
        await worker.login(username, DIRECTORY_PASSWORD);
        await directory.ad.refuse(dn, "disabled");
        await assertVerdict("533", "the account is disabled");
        const users = await usersIn(worker);
        assert.ok(users.includes(username), users.join(", "));
      });
    });
  }

  test("and the worker counts the reasons", async () => {
    await using worker = await start();
    await worker.addUser("local-user", DIRECTORY_PASSWORD);
    await directory.ad.refuse(await add("off-duty"), "disabled");
    await directory.ad.addUser("outsider", DIRECTORY_PASSWORD);
    for (const [username, password] of [
      ["local-user", "nope"],
      ["nobody-here", DIRECTORY_PASSWORD],
      ["off-duty", "nope"],
      ["off-duty", DIRECTORY_PASSWORD],
      ["outsider", DIRECTORY_PASSWORD],
      ["outsider", ""],
    ])
      await worker.call("login", { username, password });
    await worker.worker.stop();
    const counters = (await lastLine(worker, "stopped"))["counters"] as Record<string, unknown>;
    const reasons = { "52e": 2, "533": 1, "not-in-group": 1, unaskable: 1 };
    assert.deepEqual(counters["directory_refusals_total"], reasons);
  });
});
