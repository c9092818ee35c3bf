import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { before, test } from "node:test";
import { Logger } from "@nestjs/common";
import { ClientProxyFactory, RmqRecordBuilder, Transport } from "@nestjs/microservices";
import { firstValueFrom } from "rxjs";
import { newFolder } from "../support/cli.ts";
import { startExample } from "../support/example.ts";
import { dataOf } from "../support/replies.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker } from "../support/worker.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const folder = newFolder();

before(() => {
  Logger.overrideLogger(false);
  // Decorators need a compiler. The type check of all files has its own command.
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const options = ["--noCheck", "--noEmit", "false", "--outDir", folder];
  execFileSync(process.execPath, [tsc, "-p", join(ROOT, "examples/nestjs"), ...options], { stdio: "pipe" });
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
});

test("the NestJS example verifies access tokens, calls authmq, and passes errors on to its callers", async (context) => {
  await using worker = await startWorker();
  const password = "nine lanterns at dusk";
  await worker.addUser("alice", password, { groups: ["reporters"] });
  await worker.addUser("bobby", password);
  await worker.addUser("reports", "", { authType: "SERVICE" });
  const access_token = await worker.accessToken("root", ["admin"]);
  const request = { username: "reports", name: "nest", access_token };
  const { api_key } = dataOf(await worker.call("api_key_create", request));
  const keyFile = join(newFolder(), "reports.key");
  writeFileSync(keyFile, `${String(api_key)}\n`);
  await using example = await startExample(worker, join(folder, "main.js"), {
    AMQP_URL: worker.url,
    API_KEY_FILE: keyFile,
    NO_COLOR: "1",
  });
  await waitUntil("the microservice", () => example.output.includes("waiting for messages"));
  const options = { urls: [worker.url], queue: "reports" };
  const client = ClientProxyFactory.create({ transport: Transport.RMQ, options });
  context.after(async () => {
    await client.close(); // open, it keeps the process of a failed test alive
  });
  const ask = async (pattern: string, data: object, token?: string): Promise<unknown> => {
    const headers: Record<string, string> = token === undefined ? {} : { access_token: token };
    const record = new RmqRecordBuilder(data).setOptions({ headers }).build();
    return firstValueFrom(client.send<unknown>(pattern, record)).catch((error: unknown) => ({ error }));
  };
  const alice = await worker.ownToken("alice", password);
  const bobby = await worker.ownToken("bobby", password);

  assert.equal(await ask("report", { title: "sales" }, alice), "sales, for alice");
  const forbidden = { code: "FORBIDDEN", respCode: 403, message: "the user is not in the required groups" };
  assert.deepEqual(await ask("report", { title: "sales" }, bobby), { error: forbidden });
  for (const token of [undefined, "nonsense", `${alice.slice(0, -4)}AAAA`])
    assert.partialDeepStrictEqual(await ask("report", { title: "sales" }, token), {
      error: { code: "INVALID_TOKEN", respCode: 401 },
    });

  assert.partialDeepStrictEqual(await ask("user", { username: "bobby" }, bobby), {
    username: "bobby",
    activated: true,
  });
  assert.partialDeepStrictEqual(await ask("user", { username: "nobody" }, bobby), {
    error: { code: "USER_NOT_FOUND", respCode: 404 },
  });

  const { id_token } = (await ask("sign_in", { username: "alice", password })) as { id_token?: string };
  assert.equal(typeof id_token, "string");
  assert.partialDeepStrictEqual(await ask("sign_in", { username: "alice", password: "wrong" }), {
    error: { code: "INVALID_CREDENTIALS", respCode: 401 },
  });
  assert.partialDeepStrictEqual(await ask("sign_in", { username: 1, password }), {
    error: { code: "INVALID_INPUT", respCode: 400 },
  });
});
