import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { connectRpc, type RpcClient } from "../../src/client/rpc-client.ts";
import { parseConfig } from "../../src/config/load.ts";
import { folderWith, runCli } from "../support/cli.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { type Serving, startServing } from "../support/serving.ts";
import { provision } from "../support/worker.ts";
import { decodePart } from "../tokens/craft.ts";
import { newEncryptionKey } from "./encrypted-factors.ts";
import { edit, read } from "./installation.ts";

const PASSWORD = "correct horse battery";
const RELOADED = "reloaded the token keys";
const NOT_RELOADED = "could not reload the configuration: nothing changed";
const NEEDS_RESTART = "changed settings need a restart";

interface Reply {
  readonly resp_code: number;
  readonly resp_data: Record<string, unknown>;
}

interface Caller extends AsyncDisposable {
  call(queue: string, request: object): Promise<Reply>;
  token(): Promise<string>;
  readonly idToken: string;
}

/** Creates an account, logs it in, and returns a caller with its session. */
async function logIn(serving: Serving): Promise<Caller> {
  const file = join(serving.cwd, "config.json");
  const create = ["admin", "create", "root", "--email", "root@example.com"];
  const made = await runCli(create, { cwd: serving.cwd, stdin: `${PASSWORD}\n` });
  assert.equal(made.code, 0, made.stderr);
  const raw = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
  const { amqp } = parseConfig(raw, { keys: false, env: {}, folder: serving.cwd });
  const client: RpcClient = await connectRpc(amqp);
  const call = async (queue: string, request: object): Promise<Reply> =>
    (await client.call(queue, JSON.stringify(request), 20_000)) as Reply;
  const { resp_code, resp_data } = await call("login", { username: "root", password: PASSWORD });
  assert.equal(resp_code, 200, JSON.stringify(resp_data));
  const idToken = String(resp_data["id_token"]);
  return {
    call,
    idToken,
    async token() {
      const reply = await call("token", { id_token: idToken });
      assert.equal(reply.resp_code, 200, JSON.stringify(reply));
      return String(reply.resp_data["access_token"]);
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}

const kidOf = (token: string): string => String(decodePart(token, 0)["kid"]);

/** Rotates the keys, reloads the worker, and returns the id of the active key as soon as the worker uses it. */
async function rotate(serving: Serving, ...args: string[]): Promise<string> {
  const before = serving.lines(RELOADED).length;
  const creation: Partial<ReturnType<typeof read>["jwt_creation"]> = read(
    join(serving.cwd, "config.json"),
  ).jwt_creation;
  const next = creation.keys?.next?.value;
  const longAgo = new Date(Date.now() - 3_600_000);
  if (next !== undefined) utimesSync(join(serving.cwd, next), longAgo, longAgo);
  const { code, stdout, stderr } = await runCli(["keys", "rotate", ...args], { cwd: serving.cwd });
  assert.equal(code, 0, stderr);
  serving.child.kill("SIGHUP");
  await waitUntil("the reload", () => serving.lines(RELOADED).length > before, { seconds: 20 });
  const [, kid = ""] = /^active\s+\S+\s+(\S+)/.exec(stdout) ?? [];
  const taken = serving.lines(RELOADED).slice(before);
  assert.deepEqual(
    taken.map(({ key_id }) => key_id).filter((id) => id !== kid),
    [],
  );
  return kid;
}

describe("SIGHUP", () => {
  test("reloads keys under load: every request gets a reply, old tokens stay valid", async () => {
    await using serving = await startServing();
    await serving.ready();
    await using caller = await logIn(serving);
    const url = new URL(`http://127.0.0.1:${serving.port}/.well-known/jwks.json`);
    const verify = createRemoteJWKSet(url, { cooldownDuration: 0 });
    const tokens = [await caller.token()];
    const done = new AbortController();
    const codes: Record<number, number> = {};
    const count = ({ resp_code }: Reply): void => void (codes[resp_code] = (codes[resp_code] ?? 0) + 1);
    const load = Array.from({ length: 4 }, async () => {
      while (!done.signal.aborted) {
        const reply = await caller.call("token", { id_token: caller.idToken });
        count(reply);
        count(await caller.call("user_all", { access_token: reply.resp_data["access_token"] }));
      }
    });
    const kids = new Set([kidOf(tokens[0]!)]);
    for (const more of [[], [], ["--alg", "ES256"], []]) {
      const kid = await rotate(serving, ...more);
      const token = await caller.token();
      assert.equal(kidOf(token), kid);
      kids.add(kid);
      tokens.push(token);
      for (const one of tokens) {
        const { payload } = await jwtVerify(one, verify, { issuer: "authmq", typ: "at+jwt" });
        assert.equal(payload.sub, "root");
        assert.equal((await caller.call("user_all", { access_token: one })).resp_code, 200);
      }
      const { resp_data } = await caller.call("introspect", { token: caller.idToken });
      assert.equal(resp_data["active"], true);
    }
    done.abort();
    await Promise.all(load);
    assert.equal(kids.size, 4, "the first rotation creates a key that does not sign yet");
    assert.deepEqual(Object.keys(codes), ["200"], JSON.stringify(codes));
    assert.ok((codes[200] ?? 0) > 20, JSON.stringify(codes));

    const response = await fetch(url);
    assert.equal(response.headers.get("content-type"), "application/jwk-set+json");
    assert.equal(response.headers.get("cache-control"), "public, max-age=300");
    const published = (await response.json()) as { keys: { kid: string }[] };
    assert.deepEqual(published, (await caller.call("jwks", {})).resp_data);
    assert.deepEqual(new Set([...kids, published.keys[1]?.kid]).size, published.keys.length);
    serving.child.kill("SIGTERM");
    assert.deepEqual(await serving.ended, [0, null]);
  });

  test("reloads the encryption keys, and names the active one", async () => {
    const first = newEncryptionKey();
    await using serving = await startServing({
      config: { encryption_keys: { active: first.setting }, app_config: { second_factor: "optional" } },
    });
    await serving.ready();
    const { code, stdout, stderr } = await runCli(["keys", "rotate", "--secrets"], { cwd: serving.cwd });
    assert.equal(code, 0, stderr);
    const [, id] = /^active\s+([0-9a-f]{16})/m.exec(stdout) ?? [];
    serving.child.kill("SIGHUP");
    await waitUntil("the reload", () => serving.lines(RELOADED).length > 0, { seconds: 20 });
    assert.equal(serving.lines(RELOADED)[0]?.["encryption_key_id"], id);
    assert.notEqual(id, first.id);
    assert.equal(serving.lines(NEEDS_RESTART).length, 0);
  });

  test("keeps the old keys if the configuration is invalid, and logs the error", async () => {
    await using serving = await startServing();
    await serving.ready();
    await using caller = await logIn(serving);
    const file = join(serving.cwd, "config.json");
    const good = read(file);
    const kid = kidOf(await caller.token());
    const assertRejected = async (change: (config: Record<string, unknown>) => object, error: RegExp) => {
      edit(file, change);
      const before = serving.lines(NOT_RELOADED).length;
      serving.child.kill("SIGHUP");
      await waitUntil("the error", () => serving.lines(NOT_RELOADED).length > before, { seconds: 20 });
      assert.match(JSON.stringify(serving.lines(NOT_RELOADED).at(-1)), error);
      assert.equal(kidOf(await caller.token()), kid);
    };
    await assertRejected((config) => ({ ...config, jwt_creation: undefined }), /jwt_creation/);
    await assertRejected(() => ({ ...good, nonsense: {} }), /nonsense.*unknown section/);
    const missing = { type: "keyfile", value: "gone.pem" };
    await assertRejected(
      () => ({ ...good, jwt_creation: { issuer: "authmq", signmethod: "EdDSA", secret: missing } }),
      /jwt_creation\.secret.*cannot read the key file/,
    );
    assert.equal(serving.lines(RELOADED).length, 0);
    edit(file, () => good);
    await rotate(serving, "--now");
    assert.notEqual(kidOf(await caller.token()), kid);
  });

  test("names the sections that need a restart", async () => {
    await using serving = await startServing();
    await serving.ready();
    const file = join(serving.cwd, "config.json");
    edit(file, ({ app_config, log_settings, ...config }) => ({
      ...config,
      app_config: { ...(app_config as object), admin_group: "others" },
      log_settings: { ...(log_settings as object), level: "info", handler: "amqp" },
      broker_settings: { scopes: { "*": ["read:*"] } },
    }));
    await rotate(serving, "--now");
    const lines = await waitUntil("the warnings", () => {
      const found = serving.lines(NEEDS_RESTART);
      return found.length > 0 ? found : undefined;
    });
    for (const { level, changed } of lines)
      assert.deepEqual([level, changed], [40, ["app_config", "log_settings", "broker_settings"]]);
  });
});

test("SIGHUP during the start does not end a worker, and is handled after the start", async () => {
  await using serving = await startServing();
  // Its first log record: it has read its configuration, and has migrated.
  await waitUntil("the migration", () => serving.stderr().includes("the database schema is current"), {
    seconds: 20,
  });
  serving.child.kill("SIGHUP");
  await serving.ready();
  await waitUntil("the reload", () => serving.lines(RELOADED).length > 0, { seconds: 20 });
  serving.child.kill("SIGTERM");
  assert.deepEqual(await serving.ended, [0, null]);
});

describe("the log level", () => {
  const LEVEL = "reloaded the log level";
  const setLevel = (serving: Serving, level: string): void =>
    edit(join(serving.cwd, "config.json"), ({ log_settings, ...config }) => ({
      ...config,
      log_settings: { ...(log_settings as object), level },
    }));

  test("is reloaded by SIGHUP, up and down, and an invalid file changes nothing", async () => {
    await using serving = await startServing({ config: { log_settings: { level: "info" } } });
    await serving.ready();
    await using caller = await logIn(serving);
    const answered = (): number => serving.lines("a request was answered").length;
    setLevel(serving, "error");
    serving.child.kill("SIGHUP");
    await waitUntil("the new level", () => serving.lines(LEVEL).length === 1, { seconds: 20 });
    const [line] = serving.lines(LEVEL);
    assert.deepEqual([line?.["level"], line?.["log_level"], line?.["previous"]], [30, "error", "info"]);
    const before = answered();
    for (let index = 0; index < 20; index++) await caller.call("user_get", { username: "root" });

    setLevel(serving, "loud");
    serving.child.kill("SIGHUP");
    await waitUntil("the error", () => serving.lines(NOT_RELOADED).length > 0, { seconds: 20 });
    const [{ faults = [] } = {}] = serving.lines(NOT_RELOADED) as { faults?: { path: string }[] }[];
    assert.deepEqual(
      faults.map(({ path }) => path),
      ["log_settings.level"],
    );
    await caller.call("user_get", { username: "root" });

    setLevel(serving, "info");
    serving.child.kill("SIGHUP");
    await waitUntil("the old level", () => serving.lines(LEVEL).length === 2, { seconds: 20 });
    assert.equal(answered(), before, "no request was logged at the level error");
    await caller.call("user_get", { username: "root" });
    await waitUntil("a line of a request", () => answered() > before);
    assert.equal(serving.lines(NEEDS_RESTART).length, 0, "the level needs no restart");
  });
});

test("a worker whose terminal is closed stops, and logs why", {
  skip:
    spawnSync("script", ["--version"]).error !== undefined &&
    "script(1), which creates a terminal, is missing",
}, async () => {
  const { raw, cleanUp } = await provision();
  const cwd = folderWith(raw);
  const file = join(cwd, "log");
  const log = (): string => (existsSync(file) ? readFileSync(file, "utf8") : "");
  const cli = join(import.meta.dirname, "../../src/cli.ts");
  const command = `exec '${process.execPath}' '${cli}' serve --migrate 2>log`;
  const terminal = spawn("script", ["-qefc", command, "/dev/null"], { cwd, stdio: "ignore", detached: true });
  try {
    const isReady = () => log().includes('"msg":"ready"') || undefined;
    await waitUntil("ready", isReady, { seconds: 40 });
    terminal.kill("SIGKILL");
    await waitUntil("the end", () => log().includes('"msg":"stopped"') || undefined, { seconds: 20 });
    assert.match(log(), /"msg":"the terminal was closed: stopping"/);
  } finally {
    terminal.kill("SIGKILL");
    await cleanUp();
  }
});
