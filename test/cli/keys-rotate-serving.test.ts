import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { connectRpc } from "../../src/client/rpc-client.ts";
import { loadConfig, parseConfig } from "../../src/config/load.ts";
import { openDatabase } from "../../src/db/database.ts";
import { runCli } from "../support/cli.ts";
import { codeOf, nextCodeOf } from "../support/second-factor.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startServing } from "../support/serving.ts";
import { newEncryptionKey } from "./encrypted-factors.ts";

const PASSWORD = "correct horse battery";
const RELOADED = "reloaded the token keys";

interface Reply {
  readonly resp_code: number;
  readonly resp_data: Record<string, unknown>;
}

test("a TOTP works before, during and after a rotation of the encryption keys", async () => {
  await using serving = await startServing({
    config: {
      encryption_keys: { active: newEncryptionKey().setting },
      app_config: { second_factor: "optional", sessions_per_user: 10 },
    },
  });
  await serving.ready();
  const { cwd } = serving;
  const create = ["admin", "create", "root", "--email", "root@example.com"];
  const made = await runCli(create, { cwd, stdin: `${PASSWORD}\n` });
  assert.equal(made.code, 0, made.stderr);
  const file = join(cwd, "config.json");
  const raw = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
  const { amqp } = parseConfig(raw, { keys: false, env: {}, folder: cwd });
  await using client = await connectRpc(amqp);
  const call = async (queue: string, request: object): Promise<Reply> =>
    (await client.call(queue, JSON.stringify(request), 20_000)) as Reply;
  const ok = async (queue: string, request: object): Promise<Record<string, unknown>> => {
    const { resp_code, resp_data } = await call(queue, request);
    assert.equal(resp_code, 200, JSON.stringify(resp_data));
    return resp_data;
  };
  const { id_token } = await ok("login", { username: "root", password: PASSWORD });
  const { access_token } = await ok("token", { id_token });
  const secret = String((await ok("totp_begin", { access_token }))["secret"]);
  await ok("totp_confirm", { access_token, totp: codeOf(secret) });

  const db = openDatabase(loadConfig(file, { env: {}, keys: false }).db);
  const logIn = async (): Promise<void> => {
    await db.updateTable("factor").set({ last_step: 1 }).where("type", "=", "totp").execute();
    const { resp_data } = await call("login", { username: "root", password: PASSWORD });
    const { challenge } = resp_data;
    await ok("login_continue", { challenge, totp: nextCodeOf(secret) });
  };
  const keyOfSecret = async (): Promise<unknown> =>
    (await db.selectFrom("factor").select("secret_key_id").where("type", "=", "totp").executeTakeFirst())
      ?.secret_key_id;
  try {
    await logIn();
    const before = await keyOfSecret();
    const { code, stderr } = await runCli(["keys", "rotate", "--secrets"], { cwd });
    assert.equal(code, 0, stderr);
    assert.notEqual(await keyOfSecret(), before);
    await logIn(); // the worker has not received SIGHUP
    serving.child.kill("SIGHUP");
    await waitUntil("the reload", () => serving.lines(RELOADED).length > 0, { seconds: 20 });
    await logIn();
  } finally {
    await db.destroy();
  }
});
