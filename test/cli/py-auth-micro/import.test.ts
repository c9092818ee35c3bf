import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { startCli, folderWith, runCli, type Ended } from "../../support/cli.ts";
import {
  createOldDatabase,
  OLD_GROUPS,
  OLD_HASH,
  OLD_PASSWORD,
  type OldDatabase,
  oldUsers,
} from "../../support/py-auth-micro.ts";
import { DATABASES, startWorker } from "../../support/worker.ts";
import { type Installed, installWithUsers } from "../users/installed.ts";

for (const database of DATABASES) {
  describe(`import-py-auth-micro into ${database}`, () => {
    for (const orientation of ["swapped", "straight"] as const)
      test(`copies all rows of ${orientation} columns with SELECT rights, and users can log in`, async () => {
        await using old = await createOldDatabase(orientation);
        await old.addGroups("dev", "ops", "empty", "admin");
        await old.add(
          { username: "Alice", groups: ["dev", "ops", "dev"] },
          {
            username: "daisy",
            auth_type: "LDAP",
            email: "generated_daisy@AD",
            password_hash: null,
            groups: ["dev"],
          },
          { username: "carol", activated: 0 },
          { username: "boss", groups: ["admin"] },
          { username: "hashless", password_hash: null },
          { username: "newest", created_at: "2100-01-01 00:00:00" },
        );
        await using worker = await startWorker({ database });
        const cwd = folderWith(worker.raw);
        const before = await old.snapshot();
        const { code, stdout, stderr } = await copyInto(cwd, old);
        assert.deepEqual([code, stderr], [0, ""]);
        assert.deepEqual(totalsIn(stdout), {
          users: [6, 6, 0, 0, 6],
          groups: [4, 4, 0, 0, 4],
          members: [4, 4, 0, 0, 4],
        });
        assert.match(stdout, /^1 rows of usergroup are duplicates/m);
        assert.match(stdout, /^1 imported users have activated = 0: .* get 403 here until/m);
        assert.match(stdout, /^1 imported users have no password hash/m);
        assert.equal(await old.snapshot(), before);
        const access_token = await worker.ownToken("boss", OLD_PASSWORD);
        const facts = async (username: string) =>
          (await worker.call("user_get", { username, access_token })).resp_data;
        const alice = await facts("alice");
        assert.deepEqual(
          [alice["username"], alice["email"], alice["groups"], alice["created_at"]],
          ["Alice", "Alice@example.com", ["dev", "ops"], "2024-02-29T12:00:00.123Z"],
        );
        const daisy = await facts("daisy");
        assert.deepEqual([daisy["auth_type"], daisy["email"]], ["LDAP", "generated_daisy@AD"]);
        await worker.login("alice", OLD_PASSWORD);
        await worker.login("newest", OLD_PASSWORD);
        const carol = await worker.call("login", { username: "carol", password: OLD_PASSWORD });
        assert.equal(carol.resp_code, 403);
        const groups = await worker.call("group_all", { access_token });
        assert.deepEqual(groups.resp_data["groups"], ["admin", "dev", "empty", "ops"]);
      });

    test("reports every skipped row with its reason, and ends with 0", async () => {
      await using old = await createOldDatabase("straight");
      await old.addGroups("dev", "no good");
      await old.add(
        { username: "x", groups: ["dev", "no good"] },
        { username: "null-mail", email: null },
        { username: "directory", email: null, auth_type: "LDAP", password_hash: null },
        { username: "strange-mail", email: "strange" },
        { username: "strange-hash", password_hash: "sha1$abc" },
        { username: "strange-type", auth_type: "OAUTH" },
        { username: "fine", groups: ["dev", "no good"] },
        { username: "existing", groups: ["dev"] },
        { username: "taken", email: "Other@example.com" },
      );
      await using here = await installWithUsers(database);
      here.file("users.jsonl", [
        { username: "existing", email: "existing@example.com" },
        { username: "another", email: "other@example.com" },
      ]);
      await here.users(["import", "users.jsonl"]);
      const { code, stdout, stderr } = await copyInto(here.folder, old);
      assert.equal(code, 0, stderr);
      const lines = stderr.trimEnd().split("\n").sort();
      for (const [index, start] of [
        'skipped: group "no good": the name must match [a-zA-Z0-9_-]{1,50}',
        'skipped: membership of user "fine" in group "no good": the group was skipped',
        'skipped: user "existing": an account with this name exists here, and differs in password_hash, groups (with its memberships in dev)',
        'skipped: user "null-mail": email is missing',
        'skipped: user "strange-hash": password_hash must be a hash of bcrypt',
        'skipped: user "strange-mail": email must match',
        'skipped: user "strange-type": auth_type ',
        'skipped: user "taken": the email address belongs to another account here',
        'skipped: user "x": username must match [a-zA-Z-_0-9]{4,30} (with its memberships in dev, no good)',
      ].entries())
        assert.equal((lines[index] ?? "").slice(0, start.length), start);
      assert.equal(lines.length, 9);
      assert.deepEqual(totalsIn(stdout), {
        users: [9, 2, 0, 7, 4],
        groups: [2, 1, 0, 1, 1],
        members: [5, 1, 0, 4, 1],
      });
    });

    test("again leaves alone what changed here, restores nothing, adds what is new, and reports what changed there", async () => {
      await using old = await createOldDatabase();
      await old.addGroups(...OLD_GROUPS, "doomed");
      await old.add(...oldUsers(600), { username: "kept", groups: ["doomed"] });
      await using here = await installWithUsers(database);
      const first = await copyInto(here.folder, old);
      assert.deepEqual(totalsIn(first.stdout).users, [601, 601, 0, 0, 601], first.stderr);
      const same = await copyInto(here.folder, old);
      assert.deepEqual([same.code, same.stderr], [0, ""]);
      assert.deepEqual(totalsIn(same.stdout), {
        users: [601, 0, 601, 0, 601],
        groups: [9, 0, 9, 0, 9],
        members: [1201, 0, 1201, 0, 1201],
      });
      // Changes here
      const { db } = here;
      await db.deleteFrom("user").where("username", "in", ["user-1", "user-2"]).execute();
      await db.insertInto("user").values(anotherPerson("user-2")).execute();
      await db.deleteFrom("usergroup").where("username", "=", "user-3").execute();
      await db.deleteFrom("group").where("name", "=", "doomed").execute();
      await db
        .updateTable("user")
        .set({ email: "new@example.com" })
        .where("username", "=", "user-4")
        .execute();
      const before = await here.rows();
      // Changes in the old database
      await old.addGroups("fresh");
      await old.add({ username: "newcomer", groups: ["fresh", "doomed"] });
      await old.execute(
        "insert into usergroup (name, username) values ('user-2', 'fresh'), ('user-5', 'fresh')",
      );
      await old.execute("update `user` set activated = 0, password_hash = null where username = 'user-4'");
      await old.execute("delete from `user` where username in ('user-6', 'user-1')");
      await old.execute("delete from usergroup where name = 'user-7' and username = 'everybody'");
      await old.execute("delete from `group` where name = 'team-6'");
      const again = await copyInto(here.folder, old);
      assert.equal(again.code, 0, again.stderr);
      const after = await here.rows();
      const { newcomer, "user-5": five } = after;
      assert.deepEqual(newcomer?.["groups"], ["fresh"]);
      assert.deepEqual(five?.["groups"], ["everybody", "fresh", "team-5"]);
      assert.deepEqual(
        { ...after, newcomer: undefined, "user-5": before["user-5"] },
        { ...before, newcomer: undefined },
      );
      const lines = again.stderr.trimEnd().split("\n");
      for (const line of [
        'changed: group "team-6": deleted in the old database; nothing was changed here',
        'changed: user "user-4": password_hash, activated changed in the old database; nothing was changed here',
        'changed: user "user-6": deleted in the old database; nothing was changed here',
        'changed: user "user-7": no longer in everybody in the old database; nothing was changed here',
        'skipped: membership of user "newcomer" in group "doomed": the group was deleted here after its import',
      ])
        assert.ok(lines.includes(line), `${line}\n${again.stderr}`);
      // user-6, user-13 and so on left team-6 with the group.
      assert.equal(
        lines.some((line) => line.includes('user-1"') || line.includes('user-2"')),
        false,
      );
      assert.deepEqual(totalsIn(again.stdout).users.slice(0, 4), [600, 1, 599, 0]);
    });

    test("with --dry-run prints the same totals and writes nothing", async () => {
      await using old = await createOldDatabase();
      await old.addGroups(...OLD_GROUPS);
      await old.add(...oldUsers(510), { username: "x" });
      await using here = await installWithUsers(database);
      const dry = await copyInto(here.folder, old, "--dry-run");
      assert.deepEqual(await here.rows(), {});
      const wet = await copyInto(here.folder, old);
      assert.deepEqual([dry.code, dry.stderr], [wet.code, wet.stderr]);
      assert.match(dry.stdout, /^dry run: nothing was written$/m);
      const without = (totals: Totals) => Object.values(totals).map((row) => row.slice(0, 4));
      assert.deepEqual(without(totalsIn(dry.stdout)), without(totalsIn(wet.stdout)));
      assert.deepEqual(totalsIn(dry.stdout).users, [511, 510, 0, 1, 0]);
    });

    for (const [cause, code, advice] of [
      ["Ctrl-C", 130, /interrupted after user \d+ of 4000: .* run the same command again/],
      ["the loss of the old database", 1, /stopped after user \d+ of 4000: .* run the same command again/],
    ] as const)
      test(`stops at ${cause} after a batch, and continues when it runs again`, async () => {
        await using old = await createOldDatabase();
        await old.addGroups(...OLD_GROUPS);
        await old.add(...oldUsers(4000));
        await using here = await installWithUsers(database);
        const command = ["import-py-auth-micro", "--from", fromFile(here.folder, old)];
        const child = startCli(command, { cwd: here.folder });
        let stderr = "";
        child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
        child.stdout.resume();
        const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
        while ((await countUsers(here)) === 0) await new Promise(setImmediate);
        if (code === 130) child.kill("SIGINT");
        else await old.disconnect();
        assert.equal(await ended, code, stderr);
        assert.match(stderr, advice);
        const imported = await countUsers(here);
        assert.equal(imported % 500, 0);
        assert.ok(imported < 4000, String(imported));
        const again = totalsIn((await copyInto(here.folder, old)).stdout);
        assert.deepEqual(again.users, [4000, 4000 - imported, imported, 0, 4000]);
        assert.deepEqual(again.members.slice(0, 4), [8000, 8000 - 2 * imported, 2 * imported, 0]);
      });
  });
}

type Totals = Record<"users" | "groups" | "members", number[]>;

/** Runs the import of the old database in a folder with a configuration. */
function copyInto(cwd: string, old: OldDatabase, ...more: readonly string[]): Promise<Ended> {
  return runCli(["import-py-auth-micro", "--from", fromFile(cwd, old), ...more], { cwd });
}

/** The configuration of py_auth_micro, which names no CA. */
function fromFile(cwd: string, { settings }: OldDatabase): string {
  writeFileSync(join(cwd, "old.json"), JSON.stringify({ db_settings: { ...settings, ca_file: null } }));
  return "old.json";
}

/** The numbers of each kind of rows: in the old database, imported, left alone, skipped, and here. */
function totalsIn(stdout: string): Totals {
  const numbers = (kind: string): number[] =>
    (new RegExp(`^${kind} (.*)$`, "m").exec(stdout)?.[1] ?? "").trim().split(/ +/).map(Number);
  return { users: numbers("users"), groups: numbers("groups"), members: numbers("members") };
}

async function countUsers({ db }: Installed): Promise<number> {
  return (await db.selectFrom("user").select("username").execute()).length;
}

/** An account that took a name after the deletion of another. */
function anotherPerson(username: string) {
  const time = "2025-01-01 00:00:00.000";
  return {
    username,
    email: `${username}@example.org`,
    auth_type: "LOCAL" as const,
    password_hash: Buffer.from(OLD_HASH),
    activated: 1,
    created_at: time,
    modified_at: time,
    email_verified_at: null,
    external_id: null,
  };
}
