import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { folderWith, runCli } from "../../support/cli.ts";
import { DATABASES, startWorker } from "../../support/worker.ts";
import { ARGON2ID, BCRYPT, installWithUsers, many, importSummary, user } from "./installed.ts";

for (const database of DATABASES) {
  describe(`users import on ${database}`, () => {
    test("imports all fields of a line, and users can log in", async () => {
      await using worker = await startWorker({ database });
      const folder = folderWith(worker.raw);
      writeFileSync(
        join(folder, "in.csv"),
        [
          "\ufeffusername,email,password_hash,auth_type,activated,groups,created_at",
          `Alice,alice@example.com,${BCRYPT},,,dev;ops,2020-02-29T12:00:00Z`,
          `"bobby",bobby@example.com,"${ARGON2ID}",LOCAL,true,,`,
          `carol,carol@example.com,${BCRYPT.replace("$2b$", "$2y$")},LOCAL,0,"dev",`,
          "daisy,daisy@example.com,,LDAP,1,dev,",
          "",
        ].join("\r\n"),
      );
      const { code, stdout, stderr } = await runIn(folder, ["in.csv", "--create-groups"]);
      assert.deepEqual([code, stdout], [0, `${importSummary(4, 0, 0, 0, 0)}\n`], stderr);
      assert.equal(stderr, "groups created: 2\n");
      const access_token = await worker.accessToken("root", ["admin"]);
      const facts = async (username: string) =>
        (await worker.call("user_get", { username, access_token })).resp_data;
      const alice = await facts("alice");
      assert.deepEqual(
        [alice["username"], alice["email"], alice["activated"], alice["groups"], alice["created_at"]],
        ["Alice", "alice@example.com", true, ["dev", "ops"], "2020-02-29T12:00:00.000Z"],
      );
      assert.equal((await facts("carol"))["activated"], false);
      assert.equal((await facts("daisy"))["auth_type"], "LDAP");
      await worker.login("Alice", "U*U");
      await worker.login("bobby", "password");
      assert.equal((await worker.call("login", { username: "carol", password: "U*U" })).resp_code, 403);
      assert.equal((await worker.call("login", { username: "daisy", password: "U*U" })).resp_code, 401);
    });

    test("prints why lines are refused, imports the others, and writes refused lines to correct them", async () => {
      await using installed = await installWithUsers(database);
      const hash = BCRYPT.replace("$05$", "$31$");
      const file = installed.file("in.csv", [
        "username,email,password_hash,groups,activated",
        `good-1,good-1@example.com,${BCRYPT},,`,
        "x,x@example.com,,,",
        `hashed,hashed@example.com,${hash},,`,
        '"broken,broken@example.com,,,',
        "short,short@example.com",
        "GOOD-1,other@example.com,,,",
        "other,GOOD-1@example.com,,,",
        "lonely,lonely@example.com,,no-such-group,",
        "boss,boss@example.com,,admin,",
        "maybe,maybe@example.com,,,maybe",
        "good-2,good-2@example.com,,,false",
      ]);
      const { code, stdout, stderr } = await installed.users(["import", file, "--rejects", "out.csv"]);
      assert.deepEqual([code, stdout], [1, `${importSummary(2, 0, 0, 0, 9)}\n`], stderr);
      const lines = stderr.trimEnd().split("\n");
      for (const [index, reason] of [
        /^line 3: username must match/,
        /^line 4: password_hash must be a hash of bcrypt/,
        /^line 5: is not valid CSV/,
        /^line 6: has 2 cells, but the first line names 5 columns$/,
        /^line 7: username is already in line 2$/,
        /^line 8: email is already in line 2$/,
        /^line 9: groups: there is no no-such-group: use --create-groups to create missing groups$/,
        /^line 10: groups contains the admin group \(admin\)/,
        /^line 11: activated must be true or false$/,
        /^accounts without a password: 1; an administrator can set one with user_change$/,
        /^authmq: 9 lines were refused$/,
      ].entries())
        assert.match(lines[index] ?? "", reason);
      assert.equal(stderr.includes(hash), false);
      assert.deepEqual(Object.keys(await installed.rows()).sort(), ["good-1", "good-2"]);
      assert.equal(statSync(join(installed.folder, "out.csv")).mode & 0o777, 0o600);
      const kept = readFileSync(join(installed.folder, "out.csv"), "utf8").trimEnd().split("\n");
      assert.equal(kept.length, 10);
      assert.equal(kept[0], "username,email,password_hash,groups,activated,refused");
      assert.match(kept[2] ?? "", new RegExp(`^hashed,hashed@example.com,${hash.replaceAll("$", "\\$")},,,`));
      // Once corrected, they can be imported.
      const corrected = kept.filter((line) => !line.includes("broken") && !line.includes('"short'));
      installed.file(
        "corrected.csv",
        corrected.map((line) => line.replace(hash, BCRYPT).replace("maybe,line", "1,line")),
      );
      const again = await installed.users(["import", "corrected.csv", "--create-groups", "--allow-admins"]);
      assert.match(again.stdout, new RegExp(`^${importSummary(4, 0, 0, 0, 3)}`), again.stderr);
      const refusing = await installed.users(["import", file, "--rejects", "out.csv"]);
      assert.deepEqual([refusing.code, refusing.stdout], [2, ""]);
      assert.match(refusing.stderr, /out\.csv already exists/);
    });

    test("again counts all users as unchanged, and imports the rest of a longer file", async () => {
      await using installed = await installWithUsers(database);
      installed.file("some.jsonl", many(700));
      installed.file("all.jsonl", many(1250));
      const run = (file: string) => installed.users(["import", file, "--create-groups"]);
      assert.equal((await run("some.jsonl")).stdout, `${importSummary(700, 0, 0, 0, 0)}\n`);
      const before = await installed.rows();
      assert.equal((await run("some.jsonl")).stdout, `${importSummary(0, 0, 700, 0, 0)}\n`);
      assert.deepEqual(await installed.rows(), before);
      assert.equal((await run("all.jsonl")).stdout, `${importSummary(550, 0, 700, 0, 0)}\n`);
      const rows = await installed.rows();
      assert.equal(Object.keys(rows).length, 1250);
      assert.deepEqual(rows["user-1249"]?.["groups"], ["everybody", "team-3"]);
    });

    test("with --dry-run prints the same and writes nothing", async () => {
      await using installed = await installWithUsers(database);
      const lines = [...many(600), { username: "x", email: "x@example.com" }, user(3)];
      installed.file("in.jsonl", lines);
      await installed.db.insertInto("group").values({ name: "everybody" }).execute();
      const args = ["import", "in.jsonl", "--create-groups"];
      const dry = await installed.users([...args, "--dry-run", "--rejects", "dry.jsonl"]);
      assert.deepEqual(await installed.rows(), {});
      assert.equal((await installed.db.selectFrom("group").selectAll().execute()).length, 1);
      const wet = await installed.users(args);
      assert.equal(dry.stdout, `${importSummary(600, 0, 0, 0, 2)} (dry run: nothing is written)\n`);
      assert.equal(wet.stdout, `${importSummary(600, 0, 0, 0, 2)}\n`);
      assert.deepEqual([dry.code, dry.stderr], [wet.code, wet.stderr]);
      assert.match(
        dry.stderr,
        /^line 601: username must match .*\nline 602: username is already in line 4\ngroups created: 7\n/,
      );
    });

    test("refuses, skips or updates an existing account that differs, by --on-conflict", async () => {
      await using installed = await installWithUsers(database);
      installed.file("base.jsonl", [
        { ...user(1), groups: ["one"] },
        { ...user(2), activated: false, groups: [] },
        { username: "dir-user", email: "dir@example.com", auth_type: "LDAP" },
        user(3),
      ]);
      await installed.users(["import", "base.jsonl", "--create-groups"]);
      const before = await installed.rows();
      installed.file("next.jsonl", [
        {
          ...user(1),
          username: "USER-1",
          email: "new@example.com",
          groups: ["two"],
          password_hash: ARGON2ID,
        },
        { ...user(2), password_hash: undefined, groups: ["one"] },
        { username: "newcomer", email: "USER-3@example.com" },
        { username: "dir-user", email: "dir@example.com", password_hash: BCRYPT },
        { username: "somebody", email: "somebody@example.com" },
      ]);
      const run = (way: string) =>
        installed.users(["import", "next.jsonl", "--create-groups", "--on-conflict", way]);

      const failed = await run("fail");
      assert.deepEqual([failed.code, failed.stdout], [1, `${importSummary(1, 0, 0, 0, 4)}\n`]);
      assert.match(
        failed.stderr,
        /^line 1: the user already exists, but differs in password_hash, email, groups: /,
      );
      assert.match(failed.stderr, /^line 2: .* differs in groups: /m);
      assert.match(failed.stderr, /^line 3: email belongs to another user$/m);
      assert.match(failed.stderr, /^line 4: the user already exists with a different auth_type, /m);
      const { somebody, ...rest } = await installed.rows();
      assert.deepEqual(rest, before);

      const skipped = await run("skip");
      assert.deepEqual([skipped.code, skipped.stdout], [0, `${importSummary(0, 0, 1, 4, 0)}\n`]);
      assert.deepEqual(await installed.rows(), { ...before, somebody });

      const updated = await run("update");
      assert.deepEqual([updated.code, updated.stdout], [1, `${importSummary(0, 2, 1, 0, 2)}\n`]);
      const after = await installed.rows();
      // The spelling of the name stays, groups are added, and absent fields stay: the second user is still deactivated.
      assert.deepEqual(after["user-1"], {
        ...before["user-1"],
        email: "new@example.com",
        password_hash: ARGON2ID,
        groups: ["one", "two"],
      });
      assert.deepEqual(after["user-2"], { ...before["user-2"], groups: ["one"] });
      assert.deepEqual(after["dir-user"], before["dir-user"]);
      assert.equal(after["newcomer"], undefined);
      assert.equal((await run("update")).stdout, `${importSummary(0, 0, 3, 0, 2)}\n`);
    });

    test("that changes a password revokes the session, and never deactivates the last administrator", async () => {
      await using worker = await startWorker({ database });
      const folder = folderWith(worker.raw);
      await worker.addUser("root", "correct horse", { groups: ["admin"] });
      await worker.addUser("alice", "correct horse");
      const id_token = await worker.login("alice", "correct horse");
      const lines = [
        { username: "root", email: "root@example.com", activated: false },
        { username: "alice", email: "alice@example.com", password_hash: BCRYPT },
      ];
      writeFileSync(join(folder, "in.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
      const { code, stderr } = await runIn(folder, ["in.jsonl", "--on-conflict", "update"]);
      assert.equal(code, 1);
      assert.match(stderr, /^line 1: activated: the last administrator must stay activated\n/);
      assert.equal((await worker.call("token", { id_token })).resp_code, 401);
      await worker.login("alice", "U*U");
      await worker.login("root", "correct horse");
    });

    test("clears the email verification when the email address changes", async () => {
      await using installed = await installWithUsers(database);
      const users = [1, 2].map((index) => ({ ...user(index), groups: [] }));
      installed.file("base.jsonl", users);
      await installed.users(["import", "base.jsonl"]);
      await installed.db.updateTable("user").set({ email_verified_at: "2026-01-31 23:59:59.123" }).execute();
      const emails = ["other@example.com", "USER-2@example.com"];
      installed.file(
        "next.jsonl",
        users.map((one, index) => ({ ...one, email: emails[index] })),
      );
      const { stdout } = await installed.users(["import", "next.jsonl", "--on-conflict", "update"]);
      assert.equal(stdout, `${importSummary(0, 2, 0, 0, 0)}\n`);
      const rows = await installed.db.selectFrom("user").selectAll().orderBy("username").execute();
      assert.deepEqual(
        rows.map(({ email, email_verified_at: at }) => [email, at !== null]),
        [
          ["other@example.com", false],
          ["USER-2@example.com", true],
        ],
      );
    });

    test("changes an administrator's account only with --allow-admins", async () => {
      await using installed = await installWithUsers(database);
      const { groups, ...root } = { ...user(1), groups: ["admin"] };
      installed.file("base.jsonl", [{ ...root, groups, activated: false }]);
      await installed.users(["import", "base.jsonl", "--create-groups", "--allow-admins"]);
      const before = await installed.rows();
      const run = (...more: string[]) =>
        installed.users(["import", "next.jsonl", "--on-conflict", "update", ...more]);
      for (const [what, change] of [
        ["password_hash", { password_hash: ARGON2ID }],
        ["email", { email: "other@example.com" }],
        ["activated", { activated: true }],
      ] as const) {
        installed.file("next.jsonl", [{ ...root, ...change }]);
        const { code, stderr } = await run();
        const reason = `line 1: the user is an administrator, but differs in ${what}: add --allow-admins to change that\n`;
        assert.deepEqual([code, stderr.slice(0, reason.length)], [1, reason]);
        assert.deepEqual(await installed.rows(), before);
      }
      assert.equal((await run("--allow-admins")).stdout, `${importSummary(0, 1, 0, 0, 0)}\n`);
    });
  });
}

function runIn(folder: string, args: readonly string[]) {
  return runCli(["users", "import", ...args], { cwd: folder });
}
