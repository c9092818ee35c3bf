import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createVerifier } from "../../../src/client/index.ts";
import { newFolder, runCli } from "../../support/cli.ts";
import { connectOldCaller, isPythonTime, type OldCaller } from "../../support/old-caller.ts";
import { type OldVerifier, startOldVerifier } from "../../support/old-verifier.ts";
import { startOldWorker } from "../../support/old-worker.ts";
import {
  createOldDatabase,
  OLD_GROUPS,
  OLD_PASSWORD,
  type OldDatabase,
  oldUsers,
} from "../../support/py-auth-micro.ts";
import { createVhost, deleteVhost } from "../../support/rabbitmq.ts";
import { readMovingPage } from "./moving.ts";

const ISSUER = "auth_service";
const SECRET = "a shared secret of thirty-two bytes or more";
const PASSWORD = "nine lanterns at dusk";

for (const [orientation, count] of [
  ["swapped", 500],
  ["straight", 10_000],
] as const)
  test(`every step of docs/moving.md works, with ${orientation} columns and ${count} users`, {
    timeout: 300_000,
  }, async (t) => {
    await using old = await createOldDatabase(orientation);
    await old.addGroups(...OLD_GROUPS);
    await old.add(...oldUsers(count), { username: "inactive", activated: 0 });
    const vhost = await createVhost();
    const cwd = newFolder();
    writeFileSync(join(cwd, "old.json"), JSON.stringify(oldConfig(old, vhost)));
    const database = `${old.settings.database}_new`;
    const page = readMovingPage(cwd, { database, user: old.settings.user });
    const worker = () => startOldWorker(vhost.url, { issuer: ISSUER, secret: SECRET, vhost: "test" });
    await using caller = await connectOldCaller(vhost.url);
    await using service = startOldVerifier({ [ISSUER]: { methods: ["HS256"], secret: SECRET } });
    await using stack = new AsyncDisposableStack();
    let running = stack.use(await worker());
    const oldToken = await loginAsOld(caller, "user-7");
    assert.deepEqual(await usesService(caller, service, oldToken), ["everybody"]);

    // 1. Write the configuration
    const check = await page.run("authmq config check old.json");
    assert.deepEqual([check.code, check.stdout], [78, ""]);
    assert.match(check.stderr, /log_settings\.level: NOTSET is a level of Python: write "trace"/);
    const written = await page.run("authmq import-py-auth-micro --from old.json --write-config");
    assert.equal(written.code, 0, written.stderr);
    assert.match(written.stdout, /^- users: 1 have activated = 0/m);
    assert.doesNotMatch(written.stdout, /jwt_creation\.secret/);
    assert.equal((await page.run("authmq config check new/config.json")).stdout, "ok\n");

    // 3. Create the database. 2. is not necessary: both have the same key.
    for (const statement of page.statements) await old.execute(statement);
    assert.equal((await page.run("authmq migrate")).code, 0);

    // 4. Test the import
    const dry = await page.run(
      "authmq import-py-auth-micro --from old.json --config new/config.json --dry-run",
    );
    assert.deepEqual([dry.code, dry.stderr], [0, ""]);

    // 5. Import, and its rollback
    const begin = performance.now();
    const imported = await page.run("authmq import-py-auth-micro --from old.json --config new/config.json");
    const seconds = (performance.now() - begin) / 1000;
    t.diagnostic(`import of ${count} users in ${seconds.toFixed(1)} s`);
    assert.deepEqual([imported.code, imported.stderr], [0, ""]);
    assert.match(imported.stdout, new RegExp(`^users +${count + 1} +${count + 1} +0 +0 +${count + 1}$`, "m"));
    assert.match(
      imported.stdout,
      new RegExp(`^members +${2 * count} +${2 * count} +0 +0 +${2 * count}$`, "m"),
    );
    await old.execute(`drop database ${database}`);
    for (const statement of page.statements) await old.execute(statement);
    const again = ["migrate", "import-py-auth-micro --from old.json"];
    for (const command of again)
      assert.equal((await runCli([...command.split(" "), "--config", "new/config.json"], { cwd })).code, 0);
    const doctor = await page.run("authmq doctor");
    assert.doesNotMatch(doctor.stdout, /^fail/m, doctor.stdout);

    // 6. Switch: both workers consume the same queues for a moment.
    const whileBoth = old.add({ username: "late-user", groups: ["everybody"] });
    const authmq = stack.use(await page.serve());
    await running[Symbol.asyncDispose]();
    await whileBoth;
    const login = JSON.stringify({ username: "user-7", password: OLD_PASSWORD });
    const reply = await page.run("authmq call login - --config new/config.json", login);
    assert.equal(reply.code, 0, reply.stderr);
    const rejected = await caller.call("token", { id_token: oldToken });
    assert.equal(rejected.resp_code, 401);
    const own = await loginAsOld(caller, "user-7");
    assert.deepEqual(await usesService(caller, service, own), ["everybody", "team-0"]);
    const register = {
      username: "newcomer",
      password: PASSWORD,
      password_confirm: PASSWORD,
      email: "n@example.com",
    };
    assert.equal((await caller.call("user_register", register)).resp_code, 201);
    const user = await caller.call("user_get", { username: "user-7" });
    assert.equal(user.resp_data["username"], "user-7");
    assert.equal(
      (await caller.call("login", { username: "inactive", password: OLD_PASSWORD })).resp_code,
      403,
    );
    assert.equal((await caller.call("login", { username: "user-7", password: "wrong" })).resp_code, 401);

    // The rollback of the switch, and the switch again
    running = stack.use(await worker());
    await authmq[Symbol.asyncDispose]();
    assert.deepEqual(await usesService(caller, service, await loginAsOld(caller, "user-7")), ["everybody"]);
    page.left.unshift("authmq serve --config new/config.json");
    const second = stack.use(await page.serve());
    await running[Symbol.asyncDispose]();

    // 7. Import again
    await old.execute("update `user` set email = 'other@example.com' where username = 'user-9'");
    const last = await page.run("authmq import-py-auth-micro --from old.json --config new/config.json");
    assert.equal(last.code, 0, last.stderr);
    assert.match(last.stdout, new RegExp(`^users +${count + 2} +1 +${count + 1} +0 +${count + 3}$`, "m"));
    assert.equal(
      last.stderr,
      'changed: user "user-9": email changed in the old database; nothing was changed here\n',
    );
    assert.deepEqual(await usesService(caller, service, await loginAsOld(caller, "late-user")), [
      "everybody",
    ]);
    assert.equal((await caller.call("login", { username: "newcomer", password: PASSWORD })).resp_code, 200);

    // 9. Turn the options off
    await second[Symbol.asyncDispose]();
    turnOptionsOff(join(cwd, "new/config.json"));
    assert.equal((await page.run("authmq config check")).stdout, "ok\n");
    stack.use(await page.serve());
    const token = await accessToken(caller, await loginAsOld(caller, "user-7", isZulu));
    assert.ok("error" in (await service.verify(token)));
    const verifier = createVerifier({ issuer: ISSUER, algorithms: ["HS256"], secret: SECRET });
    assert.deepEqual((await verifier.verify(token)).groups, ["everybody", "team-0"]);
    const another = { ...register, username: "another", email: "a@example.com" };
    assert.equal((await caller.call("user_register", another)).resp_code, 200);
    await stack.disposeAsync();
    assert.deepEqual(page.left, []);
    await old.execute(`drop database ${database}`);
    await deleteVhost(vhost.name);
    rmSync(cwd, { recursive: true });
  });

/** The configuration of the old worker. */
function oldConfig({ settings }: OldDatabase, { name, url }: { name: string; url: string }): object {
  const { hostname, port, username, password } = new URL(url);
  const secret = { type: "plain", value: SECRET };
  return {
    jwt_creation: { issuer: ISSUER, signmethod: "HS256", secret },
    jwt_validation: [{ name: ISSUER, secret, methods: ["HS256", "HS384", "HS512"] }],
    db_settings: { ...settings, ca_file: null },
    amqp_settings: { host: hostname, port: Number(port), username, password, vhost: name, ca_file: null },
    app_config: { default_vhost: "test", allow_registration: true, admin_group: "admin" },
    log_settings: { level: "NOTSET", handler: "logging.StreamHandler", disable_tortoise_orm: true },
  };
}

function turnOptionsOff(file: string): void {
  const config = JSON.parse(readFileSync(file, "utf8")) as Record<string, Record<string, unknown>>;
  delete config["jwt_creation"]?.["legacy_header_claims"];
  delete config["amqp_settings"]?.["legacy_replies"];
  delete config["amqp_settings"]?.["queues"];
  writeFileSync(file, JSON.stringify(config));
}

/** Logs in as a caller of py_auth_micro; the password of imported users is the old one. */
async function loginAsOld(caller: OldCaller, username: string, isTime = isPythonTime): Promise<string> {
  const { resp_code, resp_data } = await caller.call("login", { username, password: OLD_PASSWORD });
  assert.equal(resp_code, 200, JSON.stringify(resp_data));
  const { expires_at: time } = resp_data;
  if (time !== undefined) assert.ok(isTime(time), JSON.stringify(time));
  return String(resp_data["id_token"]);
}

function isZulu(value: unknown): boolean {
  return String(value).endsWith("Z");
}

async function accessToken(caller: OldCaller, id_token: string): Promise<string> {
  const { resp_code, resp_data } = await caller.call("token", { id_token });
  assert.equal(resp_code, 200, JSON.stringify(resp_data));
  return String(resp_data["access_token"]);
}

/** The groups that a service of py_auth_micro sees. */
async function usesService(caller: OldCaller, service: OldVerifier, id_token: string): Promise<string[]> {
  const verdict = await service.verify(await accessToken(caller, id_token));
  assert.ok(!("error" in verdict), JSON.stringify(verdict));
  assert.equal(verdict.vhost, "test");
  return verdict.groups;
}
