import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { startCli } from "../../support/cli.ts";
import { DATABASES } from "../../support/worker.ts";
import { ARGON2ID, BCRYPT, installWithUsers, type Installed } from "./installed.ts";

const FORMATS = ["csv", "jsonl"] as const;

/** Imports users of all kinds, more than one SQL statement reads. */
async function populate(installed: Installed): Promise<void> {
  const many = Array.from({ length: 1203 }, (_, index) => ({
    username: `user-${index}`,
    email: `user-${index}@example.com`,
    password_hash: index % 2 === 0 ? BCRYPT : ARGON2ID,
    groups: index % 3 === 0 ? [] : [`team-${index % 5}`, "everybody"],
    activated: index % 7 !== 0,
    created_at: new Date(Date.UTC(2020, 1, 1, 0, 0, index, index % 1000)).toISOString(),
    ...(index % 3 === 0 ? { email_verified_at: "2021-05-06T07:08:09.123Z" } : {}),
  }));
  installed.file("in.jsonl", [
    ...many,
    { username: "Zoe_", email: "=cmd|'/C calc'!A0@example.com", groups: ["admin"], auth_type: "LDAP" },
    { username: "-dash-", email: "+dash@example.com", auth_type: "KERBEROS" },
    { username: "nobody", email: "nobody@example.com" },
    { username: "invoices", auth_type: "SERVICE", groups: ["billing"] },
    { username: "addressless", auth_type: "LDAP" },
  ]);
  const { code, stderr } = await installed.users(["import", "in.jsonl", "--create-groups", "--allow-admins"]);
  assert.equal(code, 0, stderr);
}

for (const database of DATABASES) {
  describe(`users export on ${database}`, () => {
    test("can be imported into an empty database, which then has the same users", async () => {
      await using from = await installWithUsers(database, {
        app_config: { email_regex: "[^\\n]+@example\\.com" },
      });
      await populate(from);
      const expected = await from.rows();
      assert.equal(Object.keys(expected).length, 1208);
      for (const format of FORMATS) {
        const { code, stdout, stderr } = await from.users(["export", "--format", format, "--with-hashes"]);
        assert.equal(code, 0, stderr);
        await using to = await installWithUsers(database, {
          app_config: { email_regex: "[^\\n]+@example\\.com" },
        });
        const args = ["import", "-", "--format", format, "--create-groups", "--allow-admins"];
        const imported = await to.users(args, stdout);
        assert.deepEqual(
          [imported.code, imported.stdout],
          [0, "1208 created, 0 updated, 0 unchanged, 0 skipped, 0 refused\n"],
          imported.stderr,
        );
        assert.deepEqual(await to.rows(), expected);
        assert.equal(
          (await from.users(args, stdout)).stdout,
          "0 created, 0 updated, 1208 unchanged, 0 skipped, 0 refused\n",
        );
      }
    });

    test("contains no hashes without --with-hashes, and can be imported as well", async () => {
      await using installed = await installWithUsers(database, {
        app_config: { email_regex: "[^\\n]+@example\\.com" },
      });
      await populate(installed);
      for (const format of FORMATS) {
        const { stdout, stderr } = await installed.users(["export", "--format", format]);
        for (const part of ["password", "$2b$", "$argon2id$"])
          assert.equal(stdout.includes(part), false, part);
        assert.match(stderr, /^users: 1208\n/);
        const again = await installed.users(["import", "-", "--format", format, "--allow-admins"], stdout);
        assert.equal(
          again.stdout,
          "0 created, 0 updated, 1208 unchanged, 0 skipped, 0 refused\n",
          again.stderr,
        );
      }
    });

    test("is sorted by username, with one line for each user", async () => {
      await using installed = await installWithUsers(database);
      installed.file("in.csv", [
        "username,email,groups,created_at",
        "bert,bert@example.com,ops;dev,2020-01-02T03:04:05Z",
        'Anna,"anna@example.com",,2020-01-02T03:04:05.678Z',
      ]);
      await installed.users(["import", "in.csv", "--create-groups"]);
      const csv = await installed.users(["export"]);
      assert.deepEqual([csv.code, csv.stderr], [0, "users: 2\n"]);
      assert.equal(
        csv.stdout,
        "username,email,auth_type,activated,groups,created_at,email_verified_at\n" +
          "Anna,anna@example.com,LOCAL,true,,2020-01-02T03:04:05.678Z,\n" +
          "bert,bert@example.com,LOCAL,true,dev;ops,2020-01-02T03:04:05.000Z,\n",
      );
      const jsonl = await installed.users(["export", "--format", "jsonl", "--with-hashes"]);
      assert.deepEqual(JSON.parse(jsonl.stdout.split("\n")[1] ?? ""), {
        username: "bert",
        email: "bert@example.com",
        auth_type: "LOCAL",
        activated: true,
        groups: ["dev", "ops"],
        created_at: "2020-01-02T03:04:05.000Z",
        email_verified_at: null,
      });
    });

    test("without users is only the header line", async () => {
      await using installed = await installWithUsers(database);
      assert.deepEqual(await installed.users(["export", "--with-hashes"]), {
        code: 0,
        stdout: "username,email,auth_type,activated,groups,created_at,email_verified_at,password_hash\n",
        stderr: "users: 0\n",
      });
      assert.equal((await installed.users(["export", "--format", "jsonl"])).stdout, "");
    });
  });
}

test("CSV values that a spreadsheet reads as formulas are counted, and not changed", async () => {
  await using installed = await installWithUsers("sqlite");
  installed.file("in.jsonl", [
    { username: "-minus", email: "minus@example.com" },
    { username: "plus", email: "+plus@example.com" },
    { username: "plain", email: "plain@example.com" },
  ]);
  await installed.users(["import", "in.jsonl"]);
  const { stdout, stderr } = await installed.users(["export"]);
  assert.match(stdout, /^plus,\+plus@example\.com,/m);
  assert.match(
    stderr,
    /^2 of them have a username or email address that a spreadsheet reads as a formula: /m,
  );
  assert.equal((await installed.users(["export", "--format", "jsonl"])).stderr, "users: 3\n");
});

test("a group name that contains the separator stops a CSV export before its first line", async () => {
  await using installed = await installWithUsers("sqlite", { app_config: { group_regex: ".+" } });
  await installed.db.insertInto("group").values({ name: "a;b" }).execute();
  const { code, stdout, stderr } = await installed.users(["export"]);
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /a group name contains ;, which separates groups in CSV: use --format jsonl/);
  assert.equal((await installed.users(["export", "--format", "jsonl"])).code, 0);
});

test("a reader that closes the pipe ends the export without an error text", async () => {
  await using installed = await installWithUsers("sqlite");
  const lines = Array.from(
    { length: 20_000 },
    (_, index) => `{"username":"user-${index}","email":"${index}@example.com"}`,
  );
  writeFileSync(join(installed.folder, "in.jsonl"), lines.join("\n"));
  await installed.users(["import", "in.jsonl"]);
  const child = startCli(["users", "export"], { cwd: installed.folder });
  const errors = text(child.stderr);
  child.stdout.once("data", () => child.stdout.destroy());
  const [code] = (await once(child, "exit")) as [number];
  assert.deepEqual([code, await errors], [1, ""]);
});
