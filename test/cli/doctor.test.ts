import assert from "node:assert/strict";
import { chmodSync, existsSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { clockFinding } from "../../src/cli/doctor/clock.ts";
import { textOf } from "../../src/cli/doctor/connection.ts";
import { type Finding, findingsOn } from "../../src/cli/doctor/finding.ts";
import { toSqlTime } from "../../src/db/time.ts";
import { queueNames } from "../../src/config/queues.ts";
import { noteAttempt, parkRequest } from "../../src/db/queries/poison-messages.ts";
import { folderWith, runCli } from "../support/cli.ts";
import { type Diagnosis, diagnose, installForDoctor } from "../support/doctor.ts";
import { startProxy } from "../support/proxy.ts";
import { Scratch } from "../support/servers/scratch.ts";
import { DATABASES, provision, startWorker } from "../support/worker.ts";

const scratch = new Scratch();
after(() => scratch.close());

for (const database of DATABASES) {
  test(`doctor reports a healthy installation on ${database}, as text and as JSON`, async () => {
    await using worker = await startWorker({ database });
    const cwd = folderWith(worker.raw);
    chmodSync(join(cwd, "config.json"), 0o600);
    const early = await runCli(["doctor"], { cwd });
    assert.equal(early.code, 0);
    assert.match(
      early.stdout,
      /^warn {2}database {7}the group admin has no activated member\. Create an administrator: /m,
    );
    await worker.addUser("root", "correct horse", { groups: ["admin"] });

    const { code, stdout, stderr } = await runCli(["doctor"], { cwd });
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /^ok {4}configuration {2}\/.*config\.json$/m);
    assert.match(stdout, /^ok {4}keys {11}EdDSA signs and verifies as authmq, key id [\w-]{43}$/m);
    assert.match(stdout, /^ok {4}broker {9}RabbitMQ 3\.\S+ at \S+:\d+, vhost authmq_\S+, as \w+, no TLS$/m);
    assert.match(
      stdout,
      new RegExp(`^ok {4}broker {9}${queueNames().length} queues, each with a worker$`, "m"),
    );
    assert.match(
      stdout,
      database === "sqlite"
        ? /^ok {4}database {7}SQLite 3\.\S+ in \/\S+\.db$/m
        : /^ok {4}database {7}(?:MariaDB|MySQL) [\d.]+ at \S+:\d+, database authmq_\w+, as \w+, no TLS$/m,
    );
    assert.match(stdout, /^ok {4}database {7}all \d+ migrations are applied$/m);
    assert.match(stdout, /^ok {4}directory {6}not configured$/m);
    assert.match(stdout, /\n\d+ ok, 0 warnings, 0 failed\n$/);
    assert.equal(/apart\)/.test(stdout), database === "mysql", "SQLite has no clock of its own");

    const json = JSON.parse((await runCli(["doctor", "--json"], { cwd })).stdout) as Diagnosis;
    assert.equal(json.ok, true);
    assert.deepEqual(
      json.findings.map(({ subject, msg }) => `${subject} ${msg}`),
      stdout
        .split("\n")
        .slice(0, -2)
        .map((line) => line.slice(6).replace(/ {2,}/, " ")),
    );
    assert.deepEqual([...new Set(json.findings.map(({ status }) => status))], ["ok"]);
  });
}

test("doctor lists parked poison messages, without their bodies", async () => {
  await using worker = await startWorker();
  await worker.addUser("root", "correct horse", { groups: ["admin"] });
  const suspect = { messageKey: Buffer.alloc(32, 1), bodyHash: Buffer.alloc(32, 0xab), queue: "login" };
  await noteAttempt(worker.db, { ...suspect, caller: "orders" }, 3);
  assert.equal((await diagnose(worker.raw)).of("database").includes("poison message"), false);
  await parkRequest(worker.db, suspect.messageKey);
  const { code, of } = await diagnose(worker.raw);
  assert.equal(code, 0);
  assert.match(
    of("database"),
    /warn: poison message in login, parked at .* UTC, sent by orders \| .*(?:ab){32}/,
  );
});

test("doctor reports events that no worker publishes", async () => {
  await using worker = await startWorker({ config: { event_settings: { publish: false } } });
  await worker.addUser("root", "correct horse", { groups: ["admin"] });
  const access_token = await worker.accessToken("root", ["admin"]);
  await worker.call("group_create", { groupname: "crew", access_token });
  const published = { ...worker.raw, event_settings: {} };
  assert.doesNotMatch((await diagnose(published)).of("database"), /events wait/);
  const created_at = toSqlTime(new Date(Date.now() - 61_000));
  await worker.db.updateTable("event").set({ created_at }).execute();
  assert.doesNotMatch((await diagnose(worker.raw)).of("database"), /events wait/);
  assert.match(
    (await diagnose(published)).of("database"),
    /warn: events wait to be published, the oldest since 20.* \| Start a worker; .* auth\.events does not accept them/,
  );
});

test("doctor shows examples", async () => {
  const { code, stdout } = await runCli(["doctor", "--help"]);
  assert.equal(code, 0);
  assert.match(stdout, /Examples:/);
});

test("an invalid configuration exits with 78 and lists its errors, as with every command", async () => {
  const { code, stdout, stderr } = await runCli(["doctor"], { cwd: folderWith({ nonsense: {} }) });
  assert.deepEqual([code, stdout], [78, ""]);
  assert.match(stderr, /^authmq: nonsense: unknown section$/m);
});

test("a broker that is down, hangs, or refuses the password or the vhost fails with advice", async () => {
  await using installed = await installForDoctor();
  const port = await scratch.freePort();
  const away = await installed.diagnose({ amqp_settings: { port } });
  assert.deepEqual([away.code, away.ok], [1, false]);
  assert.match(
    away.of("broker"),
    /^fail: cannot reach \S+: connect ECONNREFUSED \| Check amqp_settings\.host and/,
  );
  assert.match(away.of("database"), /^ok: SQLite/m);

  const password = "a wrong password";
  const refused = await installed.diagnose({ amqp_settings: { password } });
  assert.match(
    refused.of("broker"),
    /^fail: \S+ refuses the user \w+ with this password: ACCESS_REFUSED - Login .*\| Check amqp_settings/,
  );

  const vhost = await installed.diagnose({ amqp_settings: { vhost: "no such vhost" } });
  assert.match(
    vhost.of("broker"),
    /^fail: \S+ refuses \w+: NOT_ALLOWED - vhost no such vhost not found \| Check amqp_settings\.vhost/,
  );
  assert.deepEqual([refused.code, vhost.code], [1, 1]);

  await using proxy = await startProxy(Number(installed.raw["amqp_settings"]?.["port"]));
  proxy.hang();
  const begin = performance.now();
  const hung = await installed.diagnose({ amqp_settings: { host: "127.0.0.1", port: proxy.port } });
  const ms = performance.now() - begin;
  assert.ok(ms < 15_000, `${ms} ms`);
  assert.match(
    hung.of("broker"),
    /^fail: cannot reach \S+: (?:connect ETIMEDOUT|no answer within 5 s) \| .*firewall/,
  );
});

test("doctor names the queues that no worker consumes", async () => {
  await using installed = await installForDoctor();
  const none = await installed.diagnose();
  assert.equal(none.code, 0);
  assert.match(
    none.of("broker"),
    new RegExp(
      `^warn: no worker consumes any of the ${queueNames().length} queues \\| Start one: authmq serve$`,
      "m",
    ),
  );
  await using worker = await startWorker();
  const renamed = await diagnose({
    ...worker.raw,
    queue_settings: { session_workflow_get_access_token: "tickets" },
  });
  assert.match(renamed.of("broker"), /^warn: no worker consumes tickets \| /m);
});

test("a database that is down, refuses the login, does not exist or lacks migrations fails with advice", async () => {
  const { raw, cleanUp } = await provision({ database: "mysql" });
  const change = (keys: object): Promise<Diagnosis> =>
    diagnose({ ...raw, db_settings: { ...raw["db_settings"], ...keys } });
  const pending = await diagnose(raw);
  assert.match(
    pending.of("database"),
    /^ok: (?:MariaDB|MySQL) .*\n(?:ok: .*\n)?fail: migrations are pending: 0001-user, .* \| Run "authmq migrate"\.$/,
  );
  const away = await change({ port: await scratch.freePort() });
  assert.match(
    away.of("database"),
    /^fail: cannot reach \S+: connect ECONNREFUSED \| Check db_settings\.host and/,
  );
  const refused = await change({ password: "a wrong password" });
  assert.match(
    refused.of("database"),
    /^fail: \S+ refuses: Access denied .* \| Check db_settings\.user and pass/,
  );
  const unknown = await change({ database: "no_such_database" });
  assert.match(unknown.of("database"), /^fail: \S+ refuses: Unknown database .* \| .*CREATE DATABASE/);
  for (const { code, ok } of [pending, away, refused, unknown]) assert.deepEqual([code, ok], [1, false]);
  await using proxy = await startProxy(Number(raw["db_settings"]?.["port"]));
  proxy.hang();
  const hung = await change({ host: "127.0.0.1", port: proxy.port, timeout_ms: 60_000 });
  assert.match(hung.of("database"), /^fail: cannot reach \S+: no \w+ within .* \| .*firewall/);
  await cleanUp();
});

test("a missing database file fails, and is not created", async () => {
  const { raw, cleanUp } = await provision();
  const missing = await diagnose(raw);
  assert.equal(missing.code, 1);
  assert.match(missing.of("database"), /^fail: there is no file \/.* \| Run "authmq migrate"\./);
  assert.equal(existsSync(String(raw["db_settings"]?.["file"])), false);
  await cleanUp();
});

test("errors of SQLite are printed unchanged, with advice", async () => {
  assert.equal(textOf(new Error("disk I/O error")), "disk I/O error");
  assert.equal(textOf(new Error("connect ECONNREFUSED 127.0.0.1:1"), "127.0.0.1:1"), "connect ECONNREFUSED");
  await using installed = await installForDoctor();
  const file = String(installed.raw["db_settings"]?.["file"]);
  truncateSync(file, 20_000);
  assert.match(
    (await installed.diagnose()).of("database"),
    /^fail: cannot use \/.*: database disk image is malformed \| .* restore it from a backup\.$/,
  );
  writeFileSync(file, "this is no database ".repeat(100));
  assert.match(
    (await installed.diagnose()).of("database"),
    /^fail: cannot use \/.*: file is not a database \| Check db_settings\.file: /,
  );
});

test("a shared secret is a warning, one that looks typed is another, one with few different bytes fails", async () => {
  await using installed = await installForDoctor();
  const withSecret = (value: string): Promise<Diagnosis> =>
    installed.diagnose({ jwt_creation: { signmethod: "HS256", secret: { type: "plain", value } } });
  const random = await withSecret("8f1d3b9a60c24e7795adfb02c3e81746");
  assert.equal(random.code, 0);
  assert.match(random.of("keys"), /^ok: HS256 .*\nwarn: HS256 is symmetric: .* \| Use EdDSA.*$/);
  assert.doesNotMatch(random.of("keys"), /typed|guess/);
  for (const value of ["it was a dark and stormy night in 1830", "MyUltraSecretKey2024ForProduction!!"]) {
    const typed = await withSecret(value);
    assert.equal(typed.code, 0);
    assert.match(typed.of("keys"), /^warn: the secret of authmq looks typed by hand/m);
  }
  const weak = await withSecret("changemechangemechangemechangeme");
  assert.equal(weak.code, 1);
  assert.match(
    weak.of("keys"),
    /^fail: the secret of authmq can be guessed: it has only 7 different bytes \| Generate/m,
  );
});

test("doctor warns of a configuration and a key file that other users can read", async () => {
  const cwd = folderWith({});
  const { code } = await runCli(["init", "sub"], { cwd });
  assert.equal(code, 0);
  const config = join(cwd, "sub/config.json");
  const report = async (): Promise<string> => (await runCli(["doctor", "--config", config], { cwd })).stdout;
  assert.doesNotMatch(await report(), /accessible to other users/);
  for (const name of ["config.json", "signing-key.pem"]) chmodSync(join(cwd, "sub", name), 0o640);
  const stdout = await report();
  assert.match(
    stdout,
    /^warn {2}configuration {2}\S+config\.json is accessible to other users \(mode 640\)\. .*chmod 600/m,
  );
  assert.match(stdout, /^warn {2}keys {11}\S+signing-key\.pem is accessible to other users/m);
});

test("connections to another host in clear text are warnings", async () => {
  await using installed = await installForDoctor("mysql");
  // This host, by an address that is not a loopback address.
  const host = "0.0.0.0";
  const { code, of } = await installed.diagnose({ amqp_settings: { host }, db_settings: { host } });
  assert.equal(code, 0);
  assert.match(of("broker"), /^warn: .* in clear text \| Set amqp_settings\.ca_file/m);
  assert.match(of("database"), /^warn: .* in clear text \| Set db_settings\.ca_file/m);
});

test("a clock that is more than 5 s off is a warning, and more than 30 s a failure, in both directions", () => {
  const check = (ahead: number): Finding => clockFinding(findingsOn("database"), "its clock", ahead);
  assert.deepEqual(
    [0, 4900, -4900].map((ahead) => check(ahead).status),
    ["ok", "ok", "ok"],
  );
  assert.equal(check(6000).msg, "its clock is 6.0 s ahead of the clock of this host");
  assert.equal(check(-6000).msg, "its clock is 6.0 s behind the clock of this host");
  assert.deepEqual(
    [6000, -6000, 31_000, -31_000].map((ahead) => check(ahead).status),
    ["warn", "warn", "fail", "fail"],
  );
});
