import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { fromSqlTime } from "../../../src/db/time.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`login on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({ database });
      await worker.addUser("Alice", "correct horse", { groups: ["ops", "dev"] });
    });
    after(() => worker[Symbol.asyncDispose]());

    const rowOf = (username: string) =>
      worker.db.selectFrom("token").selectAll().where("user_id", "=", username).executeTakeFirstOrThrow();
    const tokensOf = (username: string) =>
      worker.db.selectFrom("token").selectAll().where("user_id", "=", username).execute();

    test("issues an ID token for the right password, with a case-insensitive username", async () => {
      const reply = await worker.call("login", { username: "aLICE", password: "correct horse" });
      const { id_token, expires_at, expires_in, ...rest } = dataOf(reply);
      assert.deepEqual(rest, {});
      const { iat, nbf, exp, amr, auth_time, ...claims } = decodeJwt(id_token as string);
      assert.deepEqual([expires_at, expires_in], [new Date(exp! * 1000).toISOString(), 24 * 3600]);
      const row = await rowOf("Alice");
      const sid = row.token_id.toString();
      assert.deepEqual(claims, { iss: "authmq", sub: "Alice", groups: ["dev", "ops"], sid, ip: "*" });
      assert.deepEqual([nbf, auth_time, amr], [iat, iat, ["pwd"]]);
      assert.deepEqual(decodeProtectedHeader(id_token as string), {
        alg: "EdDSA",
        typ: "id+jwt",
        kid: sid,
      });
      assert.equal(exp, Math.floor(fromSqlTime(row.valid_until).getTime() / 1000));
      assert.ok(Math.abs(exp - iat! - 24 * 3600) < 60, `${exp - iat!} s`);
      assert.deepEqual([row.user_id, row.vhost, row.sign_method], ["Alice", "prod", "EdDSA"]);
    });

    test("has the same reply for a wrong password and an unknown user", async () => {
      const wrong = await worker.call("login", { username: "alice", password: "nope" });
      assertRefused(wrong, 401, "INVALID_CREDENTIALS");
      assert.deepEqual(await worker.call("login", { username: "bobby", password: "nope" }), wrong);
    });

    test("compares passwords byte by byte", async () => {
      for (const password of ["Correct horse", "correct horse ", "correct hors", ""]) {
        assertRefused(
          await worker.call("login", { username: "alice", password }),
          401,
          "INVALID_CREDENTIALS",
        );
      }
    });

    test("revokes the previous ID token", async () => {
      await worker.addUser("twice", "correct horse");
      const first = await worker.login("twice", "correct horse");
      const second = await worker.login("TWICE", "correct horse");
      assertRefused(await worker.call("token", { id_token: first }), 401, "INVALID_TOKEN");
      dataOf(await worker.call("token", { id_token: second }));
      assert.equal((await tokensOf("twice")).length, 1);
    });

    test("does not revoke the previous ID token if the password is wrong", async () => {
      await worker.addUser("steady", "correct horse");
      const id_token = await worker.login("steady", "correct horse");
      await worker.call("login", { username: "steady", password: "nope" });
      dataOf(await worker.call("token", { id_token }));
    });

    test("reports a deactivated account only for the right password", async () => {
      await worker.addUser("sleeper", "correct horse", { activated: false });
      const right = { username: "sleeper", password: "correct horse" };
      assertRefused(await worker.call("login", right), 403, "ACCOUNT_NOT_ACTIVATED");
      const wrong = await worker.call("login", { ...right, password: "nope" });
      assertRefused(wrong, 401, "INVALID_CREDENTIALS");
      assert.deepEqual(await tokensOf("sleeper"), []);
    });

    for (const authType of ["LDAP", "KERBEROS"] as const) {
      test(`has the reply of a wrong password for ${authType} users if that source is not configured`, async () => {
        const username = `from-${authType}`;
        await worker.addUser(username, "", { authType });
        for (const password of ["", "anything"]) {
          assertRefused(await worker.call("login", { username, password }), 401, "INVALID_CREDENTIALS");
        }
      });
    }

    test("accepts a password of 72 bytes, but not with one more", async () => {
      const password = "ä".repeat(36);
      await worker.addUser("long-password", password);
      await worker.login("long-password", password);
      for (const longer of [`${password}x`, `${password}${"x".repeat(1000)}`]) {
        const reply = await worker.call("login", { username: "long-password", password: longer });
        assertRefused(reply, 401, "INVALID_CREDENTIALS");
      }
    });

    test("does not ignore the characters after a NUL", async () => {
      for (const password of ["correct horse\0", "correct horse\0battery", "\0"]) {
        const reply = await worker.call("login", { username: "alice", password });
        assertRefused(reply, 401, "INVALID_CREDENTIALS");
      }
    });

    test("does not apply the rules for new passwords", async () => {
      await worker.addUser("short-one", "abc");
      await worker.login("short-one", "abc");
    });

    test("ignores unknown fields", async () => {
      const more = { id_token: 1, access_token: [], groups: ["admin"], extra: { deep: true } };
      const id_token = await worker.login("alice", "correct horse", more);
      assert.deepEqual(decodeJwt(id_token)["groups"], ["dev", "ops"]);
    });

    test("names all fields that are missing or of the wrong type", async () => {
      assertInvalid(await worker.call("login", {}), "username", "password");
      for (const value of [null, 1, true, ["alice"], { $ne: "" }]) {
        assertInvalid(
          await worker.call("login", { username: value, password: value }),
          "username",
          "password",
        );
      }
      const alice = { username: "alice", password: "correct horse" };
      assertInvalid(await worker.call("login", { ...alice, ip: 1, vhost: 2 }), "ip", "vhost");
      dataOf(await worker.call("login", { ...alice, vhost: null, kerberos_ticket: null }));
      for (const request of [[], [alice], "alice", 1, null, true]) {
        assertRefused(await worker.call("login", request), 400, "INVALID_JSON");
      }
    });

    test("rejects an invalid username", async () => {
      for (const username of [
        "bob",
        "",
        "a".repeat(31),
        "alice\n",
        "\nalice",
        "alice bob",
        "älice",
        "alice'--",
      ]) {
        assertInvalid(await worker.call("login", { username, password: "correct horse" }), "username");
      }
    });

    test("never shows the password in a reply or the log", async () => {
      const password = "Xyzzy-do-not-repeat";
      for (const username of ["alice", "al", 5]) {
        const reply = await worker.call("login", { username, password, ip: password });
        assert.ok(!JSON.stringify(reply).includes(password), "the password is in the reply");
      }
      await worker.call("login", { username: "alice", password });
      assert.ok(!worker.log.join("").includes(password), "the password is in the log");
    });

    test("stores any vhost of at most 100 characters in the session", async () => {
      for (const vhost of ["/", "a b", "v".repeat(100), "übung"]) {
        await worker.login("alice", "correct horse", { vhost });
        assert.equal((await rowOf("Alice")).vhost, vhost);
      }
      for (const vhost of ["", "v".repeat(101), "a\nb"]) {
        const reply = await worker.call("login", { username: "alice", password: "correct horse", vhost });
        assertInvalid(reply, "vhost");
      }
    });

    test("binds the token to the canonical form of an address", async () => {
      const spellings = [
        ["192.0.2.1", "192.0.2.1"],
        ["::ffff:192.0.2.1", "192.0.2.1"],
        ["::FFFF:C000:0201", "192.0.2.1"],
        ["2001:0DB8:0:0:0:0:0:1", "2001:db8::1"],
        ["*", "*"],
        [null, "*"],
      ] as const;
      for (const [ip, canonical] of spellings) {
        const id_token = await worker.login("alice", "correct horse", { ip });
        assert.equal(decodeJwt(id_token)["ip"], canonical);
        assert.equal((await rowOf("Alice")).ip, canonical);
      }
      for (const ip of [
        "",
        "localhost",
        "1.2.3",
        "1.2.3.4/8",
        "01.2.3.4",
        "fe80::1%eth0",
        "**",
        "[::1]",
        " ::1",
      ]) {
        const reply = await worker.call("login", { username: "alice", password: "correct horse", ip });
        assertInvalid(reply, "ip");
      }
    });
  });

  describe(`login on ${database} with other settings`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({
        database,
        config: {
          app_config: {
            bcrypt_cost: 5,
            vhosts: ["test", "prod"],
            default_vhost: "test",
            username_regex: "a|alice",
            id_token_valid_time: 10,
          },
        },
      });
    });
    after(() => worker[Symbol.asyncDispose]());

    const hashOf = async (username: string): Promise<string> => {
      const query = worker.db
        .selectFrom("user")
        .select("password_hash")
        .where("username_key", "=", username.toLowerCase());
      return Buffer.from((await query.executeTakeFirstOrThrow()).password_hash!).toString();
    };

    test("replaces a hash of a lower cost, but not one of a higher cost", async () => {
      await worker.addUser("alice", "correct horse", { cost: 4 });
      await worker.call("login", { username: "alice", password: "nope" });
      assert.match(await hashOf("alice"), /^\$2[aby]\$04\$/);
      await worker.login("alice", "correct horse");
      const renewed = await hashOf("alice");
      assert.match(renewed, /^\$2[aby]\$05\$/);
      await worker.login("alice", "correct horse");
      assert.equal(await hashOf("alice"), renewed);
      await worker.addUser("a", "correct horse", { cost: 6 });
      await worker.login("a", "correct horse");
      assert.match(await hashOf("a"), /^\$2[aby]\$06\$/);
    });

    test("accepts only configured vhosts, and uses the default vhost", async () => {
      await worker.db.deleteFrom("user").execute();
      await worker.addUser("alice", "correct horse");
      for (const vhost of ["test", "prod", undefined]) {
        await worker.login("alice", "correct horse", { vhost });
        const row = await worker.db.selectFrom("token").select("vhost").executeTakeFirstOrThrow();
        assert.equal(row.vhost, vhost ?? "test");
      }
      for (const vhost of ["dev", "PROD", "prod ", "/"]) {
        const reply = await worker.call("login", { username: "alice", password: "correct horse", vhost });
        assertInvalid(reply, "vhost");
      }
    });

    test("matches a pattern with alternatives against the whole name", async () => {
      for (const username of ["alicex", "xalice", "ab", "alice\n"]) {
        assertInvalid(await worker.call("login", { username, password: "nope" }), "username");
      }
    });

    test("issues ID tokens with the configured lifetime", async () => {
      await worker.db.deleteFrom("user").execute();
      await worker.addUser("alice", "correct horse");
      const { exp, iat } = decodeJwt(await worker.login("alice", "correct horse"));
      assert.ok(Math.abs(exp! - iat! - 600) < 60, `${exp! - iat!} s`);
    });
  });
}
