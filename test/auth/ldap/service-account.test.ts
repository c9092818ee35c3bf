import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { pino } from "pino";
import { withConnection } from "../../../src/auth/ldap/connection.ts";
import { REFUSAL_PAUSE, ServiceAccount } from "../../../src/auth/ldap/service-account.ts";
import type { DirectoryServer } from "../../../src/config/directory.ts";
import { DIRECTORY_PASSWORD, useDs389 } from "../../support/ds389.ts";
import { linesOf } from "../../support/log-lines.ts";
import { assertRefused } from "../../support/replies.ts";
import { missingFor } from "../../support/servers/directories.ts";
import type { TestWorker } from "../../support/worker.ts";

const skip = missingFor("ds389") ?? false;
/** The number of failures that lock an account. */
const MAX_FAILURES = 10;

describe("a service account whose password is wrong", { skip }, () => {
  const directory = useDs389();
  before(async () => {
    await directory.ds.setPolicy({ passwordLockout: "on", passwordMaxFailure: String(MAX_FAILURES) });
    await directory.add("alice");
  });

  /** The directory's count of consecutive wrong passwords of the service account. */
  const failures = async (): Promise<number> =>
    Number(
      (await directory.readAsRoot(directory.ds.serviceDn, ["passwordRetryCount"]))["passwordRetryCount"],
    );

  /** Resets the directory's count. */
  const reset = () =>
    directory.ds.setAttributes(directory.ds.serviceDn, { passwordRetryCount: "0", accountUnlockTime: [] });

  const login = (worker: TestWorker) =>
    worker.call("login", { username: "alice", password: DIRECTORY_PASSWORD });

  test("is tried once for many concurrent logins, and the log has the cause once", async () => {
    await reset();
    await using worker = await directory.start({ bind_password: "not it" });
    const together = await Promise.all(Array.from({ length: 2 * MAX_FAILURES }, () => login(worker)));
    for (const reply of together) assertRefused(reply, 503, "UNAVAILABLE");
    for (let round = 0; round < 5; round++) assertRefused(await login(worker), 503, "UNAVAILABLE");
    assert.equal(await failures(), 1);
    const reasons = linesOf(worker, "a request failed").map(({ reason }) => String(reason));
    assert.equal(reasons.length, 2 * MAX_FAILURES + 5);
    const causes = reasons.filter((reason) => reason.includes("result code 49"));
    assert.equal(causes.length, 1);
    assert.match(
      causes[0] ?? "",
      /the service account is refused .*: check ldap_settings\.bind_dn and bind_password/,
    );
    for (const reason of reasons.filter((one) => one !== causes[0]))
      assert.match(reason, /^directory: the service account is refused; next attempt in \d+ s$/);
  });

  test("is tried immediately by a restarted worker, which logs users in when the password is right", async () => {
    await reset();
    await using wrong = await directory.start({ bind_password: "not it" });
    assertRefused(await login(wrong), 503, "UNAVAILABLE");
    await using right = await directory.start();
    await right.login("alice", DIRECTORY_PASSWORD);
  });

  test("does not affect local logins", async () => {
    await using worker = await directory.start({ bind_password: "not it" });
    await worker.addUser("local-one", DIRECTORY_PASSWORD);
    assertRefused(await login(worker), 503, "UNAVAILABLE");
    await worker.login("local-one", DIRECTORY_PASSWORD);
  });

  describe("as a worker uses it", () => {
    const server = (): DirectoryServer => ({
      url: directory.ds.url,
      host: directory.ds.host,
      port: directory.ds.port,
      tls: "none",
    });
    let now = 0;
    const log = pino({ enabled: false });
    const bind = (account: ServiceAccount) =>
      withConnection(server(), { ca: undefined, timeout: 20_000 }, (connection) =>
        account.bind(connection, server()),
      );
    after(reset);

    test("is tried again after a minute, by one connection, and then as often as needed", async () => {
      await reset();
      const dn = directory.ds.serviceDn;
      const account = new ServiceAccount({ dn, password: "changed" }, log, () => now);
      await assert.rejects(bind(account), /result code 49/);
      now += REFUSAL_PAUSE - 1;
      assert.throws(() => account.checkPause(server()), /next attempt in 1 s/);
      await assert.rejects(bind(account), /next attempt in 1 s/);
      assert.equal(await failures(), 1);
      now += 1;
      account.checkPause(server());
      const attempts = await Promise.allSettled(Array.from({ length: MAX_FAILURES }, () => bind(account)));
      assert.deepEqual(
        attempts.filter(({ status }) => status !== "rejected"),
        [],
      );
      assert.equal(await failures(), 2, "one of those that came together was an attempt");
      assert.match(account.fault ?? "", /service account is refused with result code 49/);
      await directory.ds.setAttributes(dn, { userPassword: "changed" });
      now += REFUSAL_PAUSE;
      await Promise.all(Array.from({ length: MAX_FAILURES }, () => bind(account)));
      assert.equal(account.fault, undefined);
      await directory.ds.setAttributes(dn, { userPassword: directory.ds.servicePassword });
      const changed = await Promise.allSettled(Array.from({ length: MAX_FAILURES }, () => bind(account)));
      assert.deepEqual(
        changed.filter(({ status }) => status !== "rejected"),
        [],
      );
      assert.equal(await failures(), 1, "a password that is changed meanwhile is sent once");
    });
  });
});
