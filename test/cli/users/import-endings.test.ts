import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { sql } from "kysely";
import { MIGRATIONS } from "../../../src/db/migrations/index.ts";
import { runCli, startCli } from "../../support/cli.ts";
import { waitUntil } from "../../support/servers/scratch.ts";
import { DATABASES } from "../../support/worker.ts";
import { installWithUsers, many, importSummary } from "./installed.ts";

for (const database of DATABASES) {
  describe(`users import on ${database}`, () => {
    test("with --strict stops at the first refused line, and imports only the batches before", async () => {
      await using installed = await installWithUsers(database);
      const lines = many(1300);
      lines[733] = { username: "x", email: "x@example.com" };
      installed.file("in.jsonl", lines);
      const { code, stdout, stderr } = await installed.users([
        "import",
        "in.jsonl",
        "--create-groups",
        "--strict",
      ]);
      assert.deepEqual([code, stdout], [1, `${importSummary(500, 0, 0, 0, 1)}\n`]);
      assert.match(stderr, /^authmq: line 734 is refused, and no line after line 500 was imported$/m);
      assert.equal(Object.keys(await installed.rows()).length, 500);
    });

    test("that is interrupted keeps its users, and can be continued with the same command", async () => {
      await using installed = await installWithUsers(database);
      const lines = many(2000).map((line) => `${JSON.stringify(line)}\n`);
      const args = ["users", "import", "-", "--format", "jsonl", "--create-groups"];
      const child = startCli(args, { cwd: installed.folder });
      const output = Promise.all([text(child.stdout), text(child.stderr)]);
      // Incomplete input that ends within a line.
      child.stdin.write(`${lines.slice(0, 1100).join("")}{"username":"user-1100","email":"user-1100@e`);
      const count = async (): Promise<number> => Object.keys(await installed.rows()).length;
      await waitUntil("1000 users", async () => ((await count()) === 1000 ? true : undefined), {
        seconds: 60,
      });
      child.kill("SIGINT");
      const [code] = (await once(child, "exit")) as [number];
      const [stdout, stderr] = await output;
      assert.deepEqual([code, stdout], [130, `${importSummary(1000, 0, 0, 0, 0)}\n`]);
      assert.match(
        stderr,
        /^authmq: interrupted after line 1000: imported users stay; run the same command again to continue$/m,
      );
      assert.equal(await count(), 1000);
      const rest = await installed.users(args.slice(1), lines.join(""));
      assert.deepEqual([rest.code, rest.stdout], [0, `${importSummary(1000, 0, 1000, 0, 0)}\n`]);
    });

    test("that is interrupted within a file ends after a batch", async () => {
      await using installed = await installWithUsers(database);
      installed.file("in.jsonl", many(40_000));
      const child = startCli(["users", "import", "in.jsonl", "--create-groups"], { cwd: installed.folder });
      const output = Promise.all([text(child.stdout), text(child.stderr)]);
      const count = async (): Promise<number> => {
        const { rows } = await sql<{ n: number }>`select count(*) as n from ${sql.table("user")}`.execute(
          installed.db,
        );
        return Number(rows[0]?.n);
      };
      await waitUntil("500 users", async () => ((await count()) >= 500 ? true : undefined), { seconds: 60 });
      child.kill("SIGTERM");
      const [code] = (await once(child, "exit")) as [number];
      const [stdout, stderr] = await output;
      const created = await count();
      assert.ok(created < 40_000 && created % 500 === 0, String(created));
      assert.deepEqual([code, stdout], [130, `${importSummary(created, 0, 0, 0, 0)}\n`]);
      assert.match(stderr, new RegExp(`^authmq: interrupted after line ${created}: `, "m"));
    });

    test("twice at the same time imports each user once", async () => {
      await using installed = await installWithUsers(database);
      installed.file("in.jsonl", many(1500));
      const both = await Promise.all(
        [1, 2].map(() => installed.users(["import", "in.jsonl", "--create-groups"])),
      );
      for (const { code, stderr } of both) assert.equal(code, 0, stderr);
      const created = both.map(({ stdout }) => Number(/^(\d+) created/.exec(stdout)?.[1]));
      assert.equal(
        created.reduce((sum, one) => sum + one, 0),
        1500,
        both.map(({ stdout }) => stdout).join(""),
      );
      const rows = Object.values(await installed.rows());
      assert.equal(rows.length, 1500);
      const others = rows.filter(({ groups }) => !(Array.isArray(groups) && groups.length === 2));
      assert.deepEqual(others, []);
    });

    test("treats names that differ in an accent as different users", async () => {
      await using installed = await installWithUsers(database, { app_config: { username_regex: ".{4,30}" } });
      installed.file("in.jsonl", [
        { username: "rené", email: "rene-1@example.com" },
        { username: "renè", email: "rene-2@example.com" },
        { username: "rene", email: "rene-3@example.com" },
      ]);
      const { code, stdout } = await installed.users(["import", "in.jsonl"]);
      assert.deepEqual([code, stdout], [0, `${importSummary(3, 0, 0, 0, 0)}\n`]);
    });

    test("needs the current schema", async () => {
      await using installed = await installWithUsers(database);
      installed.file("in.jsonl", many(1));
      const latest = Object.keys(MIGRATIONS).at(-1)!;
      await sql`delete from authmq_migration where name = ${latest}`.execute(installed.db);
      const older = await installed.users(["import", "in.jsonl"]);
      assert.equal(older.code, 1);
      assert.match(
        older.stderr,
        new RegExp(`migrations are pending \\(${latest}\\): run "authmq migrate" first`),
      );

      await installed.db.schema.dropTable("authmq_migration").execute();
      const unlisted = await installed.users(["import", "in.jsonl"]);
      assert.equal(unlisted.code, 78);
      assert.match(unlisted.stderr, /not in its list of migrations.*Restore the database completely/);
    });
  });
}

test("prints the reasons of 20 refused lines and counts the others", async () => {
  await using installed = await installWithUsers("sqlite");
  const lines = Array.from({ length: 1000 }, (_, index) => ({ username: `x${index % 10}`, email: "no" }));
  installed.file("in.jsonl", lines);
  const { code, stderr } = await installed.users(["import", "in.jsonl", "--rejects", "out.jsonl"]);
  assert.equal(code, 1);
  const printed = stderr.trimEnd().split("\n");
  assert.equal(printed.length, 22);
  assert.equal(printed[20], "and 980 more; all are in out.jsonl");
  const kept = readFileSync(join(installed.folder, "out.jsonl"), "utf8").trimEnd().split("\n");
  assert.equal(kept.length, 1000);
  assert.match(kept[999] ?? "", /^\{"username":"x9","email":"no","refused":"line 1000: username must match/);
});

test("an invalid command line or file exits with 2 and writes nothing", async () => {
  await using installed = await installWithUsers("sqlite");
  installed.file("users.txt", ["username,email"]);
  installed.file("bad.csv", ["username,mail", "a,b"]);
  installed.file("empty.csv", []);
  writeFileSync(join(installed.folder, "utf16.csv"), Buffer.from("\ufeffusername,email\n", "utf16le"));
  const cases = [
    [["users.txt"], /ends with neither \.csv nor \.jsonl/],
    [["-"], /add --format/],
    [["missing.csv"], /cannot read missing\.csv/],
    [[".", "--format", "csv"], /it is a directory/],
    [["bad.csv"], /unknown column "mail"/],
    [["empty.csv"], /the file is empty: the first line must name the columns/],
    [["utf16.csv"], /the first line is not UTF-8/],
    [["users.txt", "--format", "xml"], /Allowed choices are csv, jsonl/],
    [["bad.csv", "--on-conflict", "win"], /Allowed choices are fail, skip, update/],
    [[], /missing required argument/],
  ] as const;
  await Promise.all(
    cases.map(async ([args, msg]) => {
      const { code, stdout, stderr } = await installed.users(["import", ...args]);
      assert.equal(code, 2, args.join(" "));
      assert.match(stderr, msg);
      assert.ok(stdout === "" || stdout === `${importSummary(0, 0, 0, 0, 0)}\n`, stdout);
    }),
  );
  assert.deepEqual(await installed.rows(), {});
});

test("memory does not grow with the file", async () => {
  await using installed = await installWithUsers("sqlite");
  // 60 MB of lines that are only parsed, and whose names go into the duplicate index.
  const filler = "x".repeat(3000);
  const lines = Array.from(
    { length: 20_000 },
    (_, index) => `{"username":"user-${index}","email":"${filler}${index}"}`,
  );
  installed.file("in.jsonl", lines);
  const { code, stdout, stderr } = await runCli(["users", "import", "in.jsonl", "--dry-run"], {
    cwd: installed.folder,
    node: ["--max-old-space-size=48"],
  });
  assert.deepEqual(
    [code, stdout],
    [1, `${importSummary(0, 0, 0, 0, 20_000)} (dry run: nothing is written)\n`],
    stderr,
  );
});
