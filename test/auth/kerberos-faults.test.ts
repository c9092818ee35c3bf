import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { parseConfig } from "../../src/config/load.ts";
import { createLogTo } from "../../src/observability/log.ts";
import { createWorker } from "../../src/worker.ts";
import { faultyPaths } from "../config/faults-of.ts";
import { folderWith, runCli, startCli } from "../support/cli.ts";
import { missingForTickets, spnegoToken } from "../support/kerberos-ticket.ts";
import { lastLine, linesOf } from "../support/log-lines.ts";
import { startProxy } from "../support/proxy.ts";
import { bodyOf, connectRaw } from "../support/raw-caller.ts";
import { assertRefused, dataOf } from "../support/replies.ts";
import { type Kdc, missingForKdc, startKdc } from "../support/servers/kdc.ts";
import { Scratch, waitUntil } from "../support/servers/scratch.ts";
import { provision, startWorker, type TestWorker } from "../support/worker.ts";

const skip = missingForKdc() ?? missingForTickets() ?? false;

const PASSWORD = "correct horse of another colour";

type Reply = Awaited<ReturnType<TestWorker["call"]>>;

/** The children of a process whose command line contains a text, with the output of `ps`. */
function childrenOf(parent: number | undefined, program: string) {
  return readdirSync("/proc").flatMap((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const [state, ppid] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
      const found = state !== "Z" && Number(ppid) === parent && command.includes(program);
      return found ? [{ pid: Number(pid), command, environment }] : [];
    } catch {
      return []; // no process, or one that has just ended
    }
  });
}

const helpersOf = (parent: number | undefined) => childrenOf(parent, "auth/kerberos/helper.");

describe("Kerberos", { skip }, () => {
  const scratch = new Scratch();
  let folder: string;
  let kdc: Kdc;
  before(async () => {
    kdc = await startKdc(scratch);
    await kdc.addPrincipal("kerberos-user", PASSWORD);
    process.env["KRB5RCACHEDIR"] = scratch.subfolder("replays");
    // A separate folder for temporary files, so that the test sees only those of authmq.
    process.env["TMPDIR"] = folder = scratch.subfolder("temporary");
  });
  after(() => scratch.close());

  const settings = (more: object = {}) => {
    const { realm, service, keytab, configFile: config_file } = kdc;
    return { kerberos_settings: { realm, service, keytab, config_file, ...more } };
  };
  /** A worker with a Kerberos user and a local user. */
  const start = async (more: object = {}): Promise<TestWorker> => {
    const worker = await startWorker({ config: settings(more) });
    await worker.addUser("kerberos-user", "", { authType: "KERBEROS" });
    await worker.addUser("local-user", PASSWORD);
    return worker;
  };
  const login = (worker: TestWorker, username = "kerberos-user", password = PASSWORD) =>
    worker.call("login", { username, password });
  const byTicket = (worker: TestWorker, kerberos_ticket: string) => worker.call("login", { kerberos_ticket });
  const ticket = () => spnegoToken(kdc, "kerberos-user", PASSWORD);
  /** Signals the helper; returns a function that waits until its parent has reaped it. */
  const signalHelper = (signal: NodeJS.Signals) => {
    const [helper] = helpersOf(process.pid);
    process.kill(helper!.pid, signal);
    return () => waitUntil("the helper's end", () => !existsSync(`/proc/${helper!.pid}`));
  };
  const assertNothingLeft = (): void => {
    const processes = [...helpersOf(process.pid), ...childrenOf(process.pid, "kinit")];
    assert.deepEqual([processes, readdirSync(folder)], [[], []]);
  };

  describe("a KDC", () => {
    test("that is down does not stop a worker's start; passwords are 503, tickets still work", async () => {
      const gone = await startKdc(scratch);
      await gone.addPrincipal("kerberos-user", PASSWORD);
      await using client = await spnegoToken(gone, "kerberos-user", PASSWORD);
      await gone.stop();
      await using worker = await start({ keytab: gone.keytab, config_file: gone.configFile });
      for (const password of [PASSWORD, "nope"])
        assertRefused(await login(worker, "kerberos-user", password), 503, "UNAVAILABLE");
      const { reason } = await lastLine(worker, "a request failed");
      assert.match(String(reason), /^kerberos: .*Cannot contact any KDC/);
      dataOf(await byTicket(worker, client.token));
    });

    test("that hangs is 503 after timeout_ms, and does not affect local logins and tokens", async () => {
      await using proxy = await startProxy(kdc.port);
      await using worker = await start({ config_file: kdc.configFor(proxy.port), timeout_ms: 3000 });
      const id_token = await worker.login("local-user", PASSWORD);
      proxy.hang();
      const order: string[] = [];
      const note = (what: string) => (reply: Reply) => (order.push(what), reply);
      const since = performance.now();
      const hung = Array.from({ length: 4 }, () => login(worker).then(note("hung")));
      await waitUntil("four that wait", () => childrenOf(process.pid, "kinit").length === 4);
      dataOf(await worker.call("token", { id_token }).then(note("token")));
      dataOf(await login(worker, "local-user").then(note("local")));
      for (const reply of await Promise.all(hung)) assertRefused(reply, 503, "UNAVAILABLE");
      // The library itself times out after about 30 seconds.
      const took = performance.now() - since;
      assert.ok(took >= 2900 && took < 12_000, `${took} ms`);
      assert.deepEqual(order, ["token", "local", "hung", "hung", "hung", "hung"]);
      const { reason } = await lastLine(worker, "a request failed");
      assert.equal(String(reason), "kerberos: no answer of the KDC within 3000 ms");
    });

    test("that hangs is 503 for each of many waiting logins, and works again when it is back", async () => {
      await using proxy = await startProxy(kdc.port);
      await using worker = await start({ config_file: kdc.configFor(proxy.port), timeout_ms: 1000 });
      for (const fault of [() => proxy.hang(), () => proxy.cut()]) {
        fault();
        const replies = await Promise.all(Array.from({ length: 12 }, () => login(worker)));
        for (const reply of replies) assertRefused(reply, 503, "UNAVAILABLE");
        proxy.restore();
        dataOf(await login(worker));
        assert.equal((await login(worker, "kerberos-user", "nope")).resp_code, 401);
      }
    });
  });

  describe("the helper process", () => {
    test("is restarted after it was killed or hung, and still detects replayed tickets", async () => {
      await using worker = await start({ timeout_ms: 2000 });
      await using first = await ticket();
      await using second = await ticket();
      await using third = await ticket();
      dataOf(await byTicket(worker, first.token));
      await signalHelper("SIGKILL")();
      dataOf(await byTicket(worker, second.token));
      const end = signalHelper("SIGSTOP");
      assertRefused(await byTicket(worker, third.token), 503, "UNAVAILABLE");
      await end();
      dataOf(await byTicket(worker, third.token));
      for (const { token } of [first, second, third])
        assertRefused(await byTicket(worker, token), 401, "INVALID_CREDENTIALS");
      dataOf(await login(worker));
    });

    test("that cannot be started is 503 until it can be started", async () => {
      await using worker = await start();
      await using client = await ticket();
      await signalHelper("SIGKILL")();
      const { execPath } = process;
      process.execPath = "/no/such/program";
      try {
        assertRefused(await byTicket(worker, client.token), 503, "UNAVAILABLE");
        assertRefused(await login(worker), 503, "UNAVAILABLE");
      } finally {
        process.execPath = execPath;
      }
      dataOf(await byTicket(worker, client.token));
    });

    test("ends with the worker and its folder is removed, even if a login hangs", async () => {
      await using proxy = await startProxy(kdc.port);
      await using worker = await start({ config_file: kdc.configFor(proxy.port), timeout_ms: 1000 });
      assert.equal(readdirSync(folder).length, 1);
      proxy.hang();
      const hung = login(worker);
      await waitUntil("kinit", () => childrenOf(process.pid, "kinit").length === 1);
      await worker.worker.stop();
      assertNothingLeft();
      assertRefused(await hung, 503, "UNAVAILABLE");
      await worker.worker.stop();
    });

    test("ends with its worker process, even if that is killed", async (context) => {
      const { raw, cleanUp } = await provision({ config: settings() });
      const cwd = folderWith(raw);
      for (const signal of ["SIGTERM", "SIGKILL"] as const) {
        const served = startCli(["serve", "--migrate"], { cwd });
        context.after(() => served.kill("SIGKILL"));
        let said = "";
        served.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
        await waitUntil("ready", () => said.includes('"msg":"ready"'));
        const [helper] = helpersOf(served.pid);
        assert.ok(!helper!.environment.includes("AUTHMQ"), "it is given none of the worker's variables");
        served.kill(signal);
        await once(served, "exit");
        await waitUntil("the helper's end", () => !existsSync(`/proc/${helper!.pid}`));
        if (signal === "SIGTERM") assert.deepEqual([served.exitCode, readdirSync(folder)], [0, []]);
      }
      await cleanUp();
      // The folder of the killed process.
      for (const left of readdirSync(folder)) rmSync(join(folder, left), { recursive: true });
    });
  });

  test("with an invalid keytab or one without the service's key does not start: exit code 78", async () => {
    await kdc.addService("HTTP/other.example.org");
    const place = (name: string): string => join(kdc.folder, name);
    const keyless = await kdc.exportKeytab(place("other.keytab"), "HTTP/other.example.org");
    writeFileSync(place("none.keytab"), "this is no keytab");
    writeFileSync(place("empty.keytab"), "");
    for (const keytab of [keyless, place("none.keytab"), place("empty.keytab")]) {
      const { raw, cleanUp } = await provision({ config: settings({ keytab }) });
      const config = parseConfig(raw, { keys: true, env: {}, folder });
      const made = createWorker(config, createLogTo({ write: () => undefined }, "info"));
      await assert.rejects(made, { name: "ConfigError", message: /^kerberos_settings: \w/ });
      assertNothingLeft();
      const { code, stderr } = await runCli(["serve"], { cwd: folderWith(raw) });
      assert.match(stderr, /^authmq: kerberos_settings: \w.*\n$/);
      assert.equal(code, 78);
      await cleanUp();
    }
  });

  test("with a missing keytab or krb5.conf is a configuration error", async () => {
    const { raw, cleanUp } = await provision({ config: settings({ keytab: "no/k", config_file: "no/c" }) });
    const paths = ["kerberos_settings.config_file", "kerberos_settings.keytab"];
    assert.deepEqual(faultyPaths(raw, { keys: true }), paths);
    await cleanUp();
  });

  test("counts refusals by reason, and logs the counts when the worker stops", async () => {
    await using worker = await start();
    await worker.addUser("unknown-user", "", { authType: "KERBEROS" });
    for (const password of ["nope", "nope again", ""]) await login(worker, "kerberos-user", password);
    await login(worker, "unknown-user");
    await byTicket(worker, "YIIB");
    await login(worker);
    await worker.worker.stop();
    const { counters } = (await lastLine(worker, "stopped")) as { counters?: Record<string, unknown> };
    const expected = { "wrong-password": 2, unaskable: 1, unknown: 1, "bad-ticket": 1 };
    assert.deepEqual(counters?.["kerberos_refusals_total"], expected);
  });

  test("shows no password, ticket or key in the log or the process list", async () => {
    await using proxy = await startProxy(kdc.port);
    await using worker = await start({ config_file: kdc.configFor(proxy.port), timeout_ms: 1000 });
    await using client = await ticket();
    const { kerberos_ticket } = dataOf(await byTicket(worker, client.token));
    await byTicket(worker, client.token);
    await login(worker);
    await login(worker, "kerberos-user", `${PASSWORD}!`);
    await login(worker, "kerberos-user", `${PASSWORD}\n`);
    proxy.hang();
    const hung = login(worker);
    const [kinit] = await waitUntil("kinit", () => {
      const found = childrenOf(process.pid, "kinit");
      return found.length > 0 ? found : undefined;
    });
    assert.ok(kinit!.command.trim().endsWith(`-- kerberos-user@${kdc.realm}`), kinit!.command);
    const shown = [kinit!, ...helpersOf(process.pid)].map(
      ({ command, environment }) => command + environment,
    );
    await hung;
    await waitUntil("the log line", () => linesOf(worker, "a request failed").length > 0);
    const key = readFileSync(kdc.keytab).subarray(-36, -4); // the key's version comes after it
    const keys = [key.toString("hex"), key.toString("base64")];
    for (const secret of [PASSWORD, client.token, kerberos_ticket as string, ...keys])
      for (const text of [...worker.log, ...shown])
        assert.ok(!text.includes(secret), "a secret is in the log, a command line or an environment");
    for (const text of shown) assert.ok(!text.includes("AUTHMQ"), "no variable of the worker's");
  });

  test("answers each invalid ticket with 400 or 401", async () => {
    await using worker = await start();
    await using caller = await connectRaw(worker.url);
    await using client = await ticket();
    dataOf(await byTicket(worker, client.token));
    const spent = Buffer.from(client.token, "base64");
    const flipped = fc.tuple(fc.nat(spent.length - 1), fc.nat(255)).map(([at, byte]) => spent.with(at, byte));
    const cut = fc.nat(spent.length).map((end) => spent.subarray(0, end));
    const damaged = fc.oneof(flipped, cut).map((bytes) => Buffer.from(bytes).toString("base64"));
    const strings = [fc.base64String({ maxLength: 3000 }), fc.string({ unit: "binary" })];
    const anything = fc.oneof(damaged, ...strings, fc.jsonValue());
    let asked = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(anything, { minLength: 10, maxLength: 10 }), async (tickets) => {
        for (const kerberos_ticket of tickets)
          caller.publish("login", JSON.stringify({ kerberos_ticket }), { correlationId: `${asked++}` });
        await waitUntil("all replies", () => caller.replies.length >= asked, { seconds: 20 });
        for (const reply of caller.replies.slice(-10))
          assert.ok([400, 401].includes(bodyOf(reply).resp_code), reply.content.toString());
      }),
      { numRuns: 15 },
    );
    await caller.settledReplies(`${asked - 1}`);
    const ids = caller.replies.map(({ properties }) => String(properties.correlationId));
    assert.deepEqual([ids.length, new Set(ids).size], [asked, asked]);
    dataOf(await login(worker));
  });
});
