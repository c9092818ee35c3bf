import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

/** A valid request with some fields replaced. */
function request(username: unknown, more: { password?: unknown } = {}): Record<string, unknown> {
  const password = "password" in more ? more.password : "correct horse";
  return {
    username,
    password_confirm: password,
    email: `${String(username)}@example.com`,
    ...more,
    password,
  };
}

for (const database of DATABASES) {
  describe(`user_register on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({ database, config: { app_config: { allow_registration: true } } });
    });
    after(() => worker[Symbol.asyncDispose]());

    const register = (username: unknown, more?: object) =>
      worker.call("user_register", request(username, more));
    const rowOf = (username: string) =>
      worker.db
        .selectFrom("user")
        .selectAll()
        .where("username_key", "=", username.toLowerCase())
        .executeTakeFirst();

    test("creates an activated account that can log in", async () => {
      const { success, msg, ...rest } = dataOf(await register("newcomer"));
      assert.deepEqual([success, typeof msg, rest], [true, "string", {}]);
      const row = await rowOf("newcomer");
      assert.deepEqual([row?.auth_type, row?.activated, row?.email], ["LOCAL", 1, "newcomer@example.com"]);
      await worker.login("newcomer", "correct horse");
    });

    test("keeps the spelling of the username, which is taken in every case", async () => {
      dataOf(await register("CamelCase"));
      for (const username of ["camelcase", "CAMELCASE", "CamelCase"]) {
        assertRefused(await register(username, { email: "other@example.com" }), 409, "USERNAME_TAKEN");
      }
      assert.equal((await rowOf("camelcase"))?.username, "CamelCase");
      await worker.login("cAMELcASE", "correct horse");
    });

    test("rejects an email address that is taken in any case, and creates nothing", async () => {
      dataOf(await register("mail-owner", { email: "Mail.Owner@Example.com" }));
      assert.equal((await rowOf("mail-owner"))?.email, "Mail.Owner@Example.com");
      for (const email of ["mail.owner@example.com", "MAIL.OWNER@EXAMPLE.COM"]) {
        assertRefused(await register("mail-thief", { email }), 409, "EMAIL_TAKEN");
      }
      assert.equal(await rowOf("mail-thief"), undefined);
    });

    test("does not change the password of an existing account", async () => {
      dataOf(await register("occupied"));
      await register("OCCUPIED", { password: "another one", email: "o@example.com" });
      await worker.login("occupied", "correct horse");
    });

    test("requires the same password twice", async () => {
      for (const password_confirm of ["correct hors", "Correct horse", "correct horse ", ""]) {
        assertInvalid(await register("unsure", { password_confirm }), "password_confirm");
      }
      for (const password_confirm of [undefined, null, 1, ["correct horse"]]) {
        assertInvalid(await register("unsure", { password_confirm }), "password_confirm");
      }
      assert.equal(await rowOf("unsure"), undefined);
    });

    test("names all fields that are missing or of the wrong type", async () => {
      const paths = ["email", "password", "password_confirm", "username"];
      assertInvalid(await worker.call("user_register", {}), ...paths);
      for (const value of [null, 0, false, ["x@example.com"], { a: "x@example.com" }]) {
        const wrong = Object.fromEntries(paths.map((path) => [path, value]));
        assertInvalid(await worker.call("user_register", wrong), ...paths);
      }
    });

    test("accepts only usernames of 4 to 30 letters, digits, - and _", async () => {
      for (const username of ["n4-_", "N".repeat(30), "----", "0000"]) {
        dataOf(await register(username, { email: `${username.length}-${username[0]}@example.com` }));
      }
      const bad = [
        "abc",
        "n".repeat(31),
        "nämen",
        "na me",
        "name\n",
        "\nname",
        "name\0",
        "na.me",
        "",
        "name\u0301",
      ];
      for (const username of bad) {
        assertInvalid(await register(username, { email: "bad@example.com" }), "username");
      }
    });

    test("accepts email addresses of at most 100 characters", async () => {
      const longest = `${"m".repeat(64)}@${"d".repeat(31)}.com`;
      assert.equal(longest.length, 100);
      dataOf(await register("long-mail", { email: longest }));
      assertInvalid(await register("longer-mail", { email: `x${longest}` }), "email");
      dataOf(await register("short-mail", { email: "a@example.co.uk" }));
      const bad = [
        "",
        "name",
        "@example.com",
        "name@",
        "na me@example.com",
        "name@example",
        "name@example.com\n",
        "name@example..com",
        "Name <name@example.com>",
        "a@example.com,b@example.com",
        "name@exämple.com",
      ];
      for (const email of bad) assertInvalid(await register("bad-mail", { email }), "email");
      assert.equal(await rowOf("bad-mail"), undefined);
    });

    test("accepts passwords of 4 characters up to 72 bytes without NUL", async () => {
      for (const [index, password] of [
        "abcd",
        "x".repeat(72),
        "ü".repeat(36),
        "😀😀😀😀",
        " \t !",
      ].entries()) {
        dataOf(await register(`password-${index}`, { password }));
        await worker.login(`password-${index}`, password);
      }
      for (const password of [
        "",
        "abc",
        "😀😀😀",
        "x".repeat(73),
        "ü".repeat(37),
        "abcd\0",
        "\0\0\0\0",
        "abcd\n",
      ]) {
        assertInvalid(await register("bad-password", { password }), "password");
      }
    });

    test("rejects passwords with lone surrogates, which would be equal in UTF-8", async () => {
      assertInvalid(await register("half-char", { password: "abcd\ud800" }), "password", "password_confirm");
    });

    test("ignores unknown fields, so users cannot register as administrators", async () => {
      const more = { groups: ["admin"], activated: 0, auth_type: "LDAP", admin: true, access_token: 5 };
      dataOf(await register("climber", more));
      const row = await rowOf("climber");
      assert.deepEqual([row?.auth_type, row?.activated], ["LOCAL", 1]);
      const groups = await worker.db.selectFrom("usergroup").selectAll().execute();
      assert.deepEqual(groups, []);
    });

    test("never shows the password in a reply or the log", async () => {
      const password = "Xyzzy-do-not-repeat";
      const replies = [
        await register("quiet-one", { password }),
        await register("quiet-one", { password }),
        await register("quiet-two", { password: `${password}\0` }),
        await register("quiet-two", { password, password_confirm: `${password}!` }),
      ];
      assert.ok(!JSON.stringify(replies).includes(password), "the password is in a reply");
      assert.ok(!worker.log.join("").includes(password), "the password is in the log");
    });
  });

  describe(`user_register on ${database} with registration closed`, () => {
    test("answers 403 for free and taken names, and creates nothing", async () => {
      await using worker = await startWorker({ database });
      await worker.addUser("occupied", "correct horse");
      for (const username of ["occupied", "free-name"]) {
        assertRefused(await worker.call("user_register", request(username)), 403, "REGISTRATION_CLOSED");
      }
      const access_token = await worker.accessToken("root", ["admin"]);
      const byAdmin = { ...request("free-name"), access_token };
      assertRefused(await worker.call("user_register", byAdmin), 403, "REGISTRATION_CLOSED");
      assert.equal((await worker.db.selectFrom("user").selectAll().execute()).length, 1);
    });
  });

  describe(`user_register on ${database} with auto_activate_accounts off`, () => {
    test("creates an account that cannot log in before an admin activates it", async () => {
      await using worker = await startWorker({
        database,
        config: { app_config: { allow_registration: true, auto_activate_accounts: false } },
      });
      dataOf(await worker.call("user_register", request("patient")));
      const credentials = { username: "patient", password: "correct horse" };
      assertRefused(await worker.call("login", credentials), 403, "ACCOUNT_NOT_ACTIVATED");
      const access_token = await worker.accessToken("root", ["admin"]);
      dataOf(await worker.call("user_change", { username: "patient", activated: true, access_token }));
      await worker.login("patient", "correct horse");
    });
  });

  describe(`user_register on ${database} with configured patterns`, () => {
    test("matches each pattern against the whole value", async () => {
      await using worker = await startWorker({
        database,
        config: {
          app_config: {
            allow_registration: true,
            username_regex: "ann|bob",
            password_regex: "[a-z]+|[0-9]+",
            email_regex: "x@y|z@y",
          },
        },
      });
      const good = { username: "ann", password: "abc", password_confirm: "abc", email: "x@y" };
      for (const username of ["anna", "xbob", "annbob", "Ann"]) {
        assertInvalid(await worker.call("user_register", { ...good, username }), "username");
      }
      for (const password of ["abc1", "1abc", "abc\n", ""]) {
        const reply = await worker.call("user_register", { ...good, password, password_confirm: password });
        assertInvalid(reply, "password");
      }
      for (const email of ["x@yy", "xx@y", "x@y\n", "z@yx@y"]) {
        assertInvalid(await worker.call("user_register", { ...good, email }), "email");
      }
      dataOf(await worker.call("user_register", good));
    });
  });
}
