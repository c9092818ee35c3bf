import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { folderWith, newFolder, runCli, startCli } from "../support/cli.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { provision, startWorker } from "../support/worker.ts";
import { passOn } from "./closing-lines.ts";
import { NAMES, type SecretNote, SECRETS, WRITTEN } from "./notes.ts";
import { searchSecrets } from "./verdict.ts";

/** The folder in which this run's processes record data. */
const notes = process.env["AUTHMQ_TEST_NOTES"]!;

function secretsNoted(kind: SecretNote["kind"]): string[] {
  const lines = readFileSync(join(notes, SECRETS), "utf8").trim().split("\n");
  const all = lines.map((line) => JSON.parse(line) as SecretNote);
  return all.filter((note) => note.kind === kind).map(({ value }) => value);
}

/** Everything of a kind that this process has recorded as written. */
function written(place: string): string {
  const own = readdirSync(join(notes, WRITTEN)).filter((name) => name.includes(` ${process.pid} ${place}`));
  return own.map((name) => readFileSync(join(notes, WRITTEN, name), "utf8")).join("");
}

for (const database of ["sqlite", "mysql"] as const) {
  test(`the secrets and the output of a worker on ${database} are recorded`, async () => {
    const worker = await startWorker({ database });
    const password = `noted-on-${database}`;
    await worker.addUser(`watched-${database}`, password);
    const wrong = `refused-on-${database}`;
    await worker.call("login", { username: `watched-${database}`, password: wrong });
    const idToken = await worker.login(`watched-${database}`, password);
    const { resp_data } = await worker.call("token", { id_token: idToken });
    const created = { username: "created", password: `new-on-${database}`, email: "created@example.com" };
    const access_token = await worker.accessToken("root", ["admin"]);
    await worker.call("user_admin_create", { ...created, access_token });
    const service = { username: `watched-${database}`, name: `key-on-${database}`, access_token };
    const { api_key } = (await worker.call("api_key_create", service)).resp_data;
    await worker.call("token", { api_key: `refused-key-on-${database}` });
    await worker[Symbol.asyncDispose]();

    const passwords = secretsNoted("password");
    for (const one of [password, wrong, created.password, String(worker.raw["amqp_settings"]!["password"])])
      assert.ok(passwords.includes(one), "a password was not recorded");
    if (database === "mysql")
      assert.ok(
        passwords.includes(String(worker.raw["db_settings"]!["password"])),
        "the password of the database was not recorded",
      );
    const tokens = secretsNoted("token");
    for (const one of [
      idToken,
      resp_data["access_token"],
      access_token,
      api_key,
      `refused-key-on-${database}`,
    ])
      assert.ok(tokens.includes(String(one)), "a token was not recorded");
    const hashes = secretsNoted("hash").filter((hash) => hash.startsWith("$")).length;
    assert.ok(hashes >= 2, `${hashes} hashes`);
    const key = worker.raw["jwt_creation"]!["secret"] as { value: string };
    assert.ok(secretsNoted("key").includes(key.value), "the key was not recorded");
    assert.match(readFileSync(join(notes, NAMES), "utf8"), new RegExp(`"watched-${database}"\n`));

    for (const line of worker.log)
      assert.ok(written("log").includes(line), "a line of the log was not recorded");
    assert.match(written("replies"), /"INVALID_CREDENTIALS"/);
    assert.match(written("replies"), /"id_token":"\.\.\."/);
    assert.match(written("replies"), /"api_key":"\.\.\."/);
    assert.match(written("table api_key"), new RegExp(`key-on-${database}`));
    assert.match(written("table event"), /api_key\.created/);
    assert.match(written("table user"), new RegExp(`watched-${database}`));
    assert.doesNotMatch(written("table user"), /password_hash/);
    assert.match(written("table rpc_inbox"), /user_admin_create/);
  });
}

test("the secrets and the output of an authmq process are recorded, except a requested token or API key in the output", async () => {
  const { raw, cleanUp } = await provision();
  const cwd = folderWith({ ...raw, health_settings: {} });
  const admin = ["admin", "create", "watched-root", "--email", "root@example.com"];
  assert.equal((await runCli(["migrate"], { cwd })).code, 0);
  assert.equal((await runCli(admin, { cwd, stdin: "noted-from-stdin\n" })).code, 0);
  const served = startCli(["serve"], { cwd });
  await waitUntil("ready", () => written("stderr of authmq").includes('"msg":"ready"') || undefined);
  const request = JSON.stringify({ username: "watched-root", password: "noted-from-stdin" });
  const { stdout } = await runCli(["call", "login", "-"], { cwd, stdin: request });
  const { resp_data } = JSON.parse(stdout) as { resp_data: { id_token: string } };
  const created = await runCli(["api-key", "create", "watched-root", "--name", "noted"], { cwd });
  const apiKey = created.stdout.trim();
  served.kill("SIGTERM");
  served.stderr.resume();
  await once(served, "close");
  await cleanUp();

  assert.ok(secretsNoted("password").includes("noted-from-stdin"), "the password was not recorded");
  assert.ok(secretsNoted("token").includes(resp_data.id_token), "the token was not recorded");
  assert.match(apiKey, /^authmq_/);
  assert.ok(secretsNoted("token").includes(apiKey), "the API key was not recorded");
  assert.ok(!written("stdout of authmq").includes(apiKey), "the API key was recorded as written");
  assert.match(written("stderr of authmq"), /"msg":"stopped"/);
  assert.match(written("stdout of authmq"), /applied 0001-user/);
  assert.ok(!written("stdout of authmq").includes(resp_data.id_token), "the token was recorded as written");
  assert.match(written("table user"), /watched-root/);
});

test("a secret that a watched process logs fails the run, even if the log is discarded or the process crashes", () => {
  const run = (program: string): ReturnType<typeof searchSecrets> => {
    const folder = newFolder();
    mkdirSync(join(folder, WRITTEN));
    const notesLogs = new URL("./note-logs.ts", import.meta.url).href;
    try {
      execFileSync(process.execPath, ["--import", notesLogs, "--input-type=module", "-e", program], {
        cwd: join(import.meta.dirname, "../.."),
        env: { ...process.env, AUTHMQ_TEST_NOTES: folder },
        stdio: "ignore",
      });
    } catch {
      // Some programs crash on purpose.
    }
    return searchSecrets(folder);
  };
  const url = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  const begin = `
    import { createLogTo } from ${url("../../src/observability/log.ts")};
    import { noteMessage } from ${url("./notes.ts")};
    const log = createLogTo({ write: () => undefined }, "info");
    noteMessage('{"password":"planted-secret"}');
    log.info("a harmless line");
  `;
  assert.equal(run(begin).ok, true);
  assert.match(run(begin).lines.join(), / searched for 1 secrets, none found/);
  for (const leak of [
    'log.info({ request: { password: "planted-secret" } }, "planted")',
    'log.error({ err: new Error("planted-secret") }, "planted"); process.kill(process.pid, "SIGKILL")',
    'log.info({ deep: JSON.stringify({ text: "planted-secret" }) }, "planted"); throw new Error("crash")',
  ]) {
    const { ok, lines } = run(`${begin}${leak}`);
    assert.equal(ok, false, leak);
    assert.match(lines[0]!, /^secrets: a password .* log, line 2: /);
    assert.ok(!lines.join("\n").includes("planted-secret"), "the report contains the secret");
  }
});

test("the runner's output is forwarded immediately, and its summary at the end", async () => {
  const from = new PassThrough();
  const to = new PassThrough().setEncoding("utf8");
  const closing = passOn(from, to);
  const next = async (): Promise<string> => ((await once(to, "data")) as [string])[0];
  from.write("✔ one test");
  from.write(" (1 ms)\nand a li");
  assert.equal(await next(), "✔ one test (1 ms)\n");
  from.write("ne\n\x1b[34mℹ tests 1\x1b[39m\nof a runner in a test\n");
  assert.equal(await next(), "and a line\n");
  from.end("\x1b[34mℹ tests 2\x1b[39m\nℹ pass 2\n\n✖ failing tests:\nno newline");
  assert.equal(await next(), "\x1b[34mℹ tests 1\x1b[39m\nof a runner in a test\n");
  assert.equal(await closing, "\x1b[34mℹ tests 2\x1b[39m\nℹ pass 2\n\n✖ failing tests:\nno newline");
});
