import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { folderWith, runCli } from "../support/cli.ts";
import { assertRefused, dataOf } from "../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../support/worker.ts";

for (const database of DATABASES) {
  describe(`authmq api-key on ${database}`, () => {
    let worker: TestWorker;
    let cwd: string;
    before(async () => {
      worker = await startWorker({ database });
      await worker.addUser("invoices", "correct horse battery", { groups: ["billing", "dev"] });
      cwd = folderWith(worker.raw);
    });
    after(() => worker[Symbol.asyncDispose]());

    const run = (...args: readonly string[]) => runCli(["api-key", ...args], { cwd });

    test("create prints the key alone on stdout, and it works without a login", async () => {
      const { code, stdout, stderr } = await run("create", "invoices", "--name", "production");
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^authmq_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}\n$/);
      assert.match(stderr, /^created the API key \d+ of invoices\n$/);
      dataOf(await worker.call("token", { api_key: stdout.trim() }));
    });

    test("create works for an account whose name username_regex no longer allows", async () => {
      await worker.addUser("old name", "correct horse battery");
      const { code, stdout, stderr } = await run("create", "old name", "--name", "production");
      assert.equal(code, 0, stderr);
      dataOf(await worker.call("token", { api_key: stdout.trim() }));
    });

    test("create takes groups, a lifetime and a vhost; list shows them, revoke ends the key", async () => {
      const groups = ["--group", "billing", "--group", "dev", "--group", "billing"];
      const options = [...groups, "--expires-in", "3600", "--vhost", "orders"];
      const { stdout: key, stderr } = await run("create", "INVOICES", "--name", "nightly", ...options);
      const id = /\d+/.exec(stderr)?.[0] ?? "";
      const listed = JSON.parse((await run("list", "invoices", "--json")).stdout) as Record<
        string,
        unknown
      >[];
      const found = listed.find((one) => one["id"] === id);
      assert.deepEqual(
        [found?.["name"], found?.["groups"], found?.["vhost"]],
        ["nightly", ["billing", "dev"], "orders"],
      );
      assert.ok(!JSON.stringify(listed).includes(key.trim()), "the list contains the key");
      const text = (await run("list", "invoices")).stdout;
      assert.match(
        text,
        new RegExp(`^${id}  nightly  groups: billing, dev  vhost: orders  expires: 20`, "m"),
      );
      assert.equal((await run("revoke", "invoices", id)).code, 0);
      assertRefused(await worker.call("token", { api_key: key.trim() }), 401, "INVALID_TOKEN");
    });

    test("errors are one line with exit code 1, and say what to do", async () => {
      for (const [args, message] of [
        [["create", "nobody", "--name", "n"], /there is no account nobody/],
        [["create", "invoices", "--name", ""], /name must not be empty/],
        [["create", "invoices", "--name", "n", "--expires-in", "soon"], /expires-in must be a whole number/],
        [["revoke", "invoices", "1"], /has no API key 1: "authmq api-key list invoices" shows its keys/],
        [["list", "nobody"], /there is no account nobody/],
      ] as const) {
        const { code, stdout, stderr } = await run(...args);
        assert.deepEqual([code, stdout], [1, ""], stderr);
        assert.match(stderr, message);
        assert.equal(stderr.trim().split("\n").length, 1, stderr);
      }
      assert.equal((await run("create", "invoices")).code, 2, "--name is required");
    });
  });
}
