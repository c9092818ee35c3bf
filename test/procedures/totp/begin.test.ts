import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertNeedsAccessToken } from "../../support/access-rules.ts";
import { connectKeyed } from "../../support/keyed-caller.ts";
import { assertInvalid, assertRefused, dataOf } from "../../support/replies.ts";
import { codeOf, enrolTotp, newUser, PASSWORD, secondFactors } from "../../support/second-factor.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

for (const database of DATABASES) {
  describe(`totp_begin on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({ database, config: secondFactors() });
      await worker.startReplica();
    });
    after(() => worker[Symbol.asyncDispose]());

    const begin = (request: object) => worker.call("totp_begin", request);
    const rowsOf = (username: string) =>
      worker.db.selectFrom("factor").selectAll().where("user_id", "=", username).execute();

    test("returns a new secret and its URI; the database has it only encrypted", async () => {
      const user = await newUser(worker, "Alice");
      const { secret, uri, ...rest } = dataOf(await begin(user));
      assert.deepEqual(rest, {});
      assert.match(String(secret), /^[A-Z2-7]{32}$/);
      const { protocol, host, pathname, searchParams } = new URL(String(uri));
      assert.deepEqual(
        [protocol, host, decodeURIComponent(pathname)],
        ["otpauth:", "totp", "/Example:Alice"],
      );
      assert.deepEqual([searchParams.get("secret"), searchParams.get("issuer")], [secret, "Example"]);
      const [row, ...others] = await rowsOf("Alice");
      assert.deepEqual([others, row?.type, row?.confirmed_at], [[], "totp", null]);
      assert.match(String(row?.secret_key_id), /^[0-9a-f]{16}$/);
      assert.equal(row?.secret?.length, 12 + 20 + 16);
    });

    test("an enrolment that is only begun is no factor: it is not listed, and the login needs none", async () => {
      const user = await newUser(worker, "hesitant");
      dataOf(await begin(user));
      assert.deepEqual(dataOf(await worker.call("factor_all", user)), { factors: [] });
      await worker.login("hesitant", PASSWORD);
    });

    test("a second one replaces the first, whose codes confirm nothing", async () => {
      const user = await newUser(worker, "undecided");
      const [first, second] = [dataOf(await begin(user)), dataOf(await begin(user))];
      assert.notEqual(first["secret"], second["secret"]);
      assert.equal((await rowsOf("undecided")).length, 1);
      const confirm = (secret: unknown) =>
        worker.call("totp_confirm", { ...user, totp: codeOf(String(secret)) });
      assertRefused(await confirm(first["secret"]), 401, "INVALID_CREDENTIALS");
      dataOf(await confirm(second["secret"]));
    });

    test("does not touch the TOTP that the account has, until it is confirmed", async () => {
      const user = await newUser(worker, "new-phone");
      const { id } = await enrolTotp(worker, user);
      dataOf(await begin(user));
      const { factors } = dataOf(await worker.call("factor_all", user));
      assert.deepEqual((factors as { id: string }[]).map((one) => one.id).includes(id), true);
    });

    test("a replay with the idempotency key returns the same secret, by any replica", async () => {
      const user = await newUser(worker, "retrying");
      await using caller = await connectKeyed(worker);
      const first = await caller.call("begin-1", "totp_begin", user);
      for (let n = 0; n < 4; n++) assert.deepEqual(await caller.call("begin-1", "totp_begin", user), first);
      assert.equal((await rowsOf("retrying")).length, 1);
      const other = await caller.call("begin-2", "totp_begin", user);
      assert.notDeepEqual(other, first);
      assertRefused(await caller.call("begin-1", "totp_begin", user), 409, "NO_PENDING_FACTOR");
      const totp = codeOf(String(dataOf(other)["secret"]));
      dataOf(await worker.call("totp_confirm", { ...user, totp }));
      const late = await caller.call("begin-2", "totp_begin", user);
      assertRefused(late, 409, "NO_PENDING_FACTOR");
    });

    test("parallel requests leave one pending enrolment, and only its secret can be confirmed", async () => {
      const user = await newUser(worker, "impatient");
      const replies = await Promise.all(Array.from({ length: 10 }, () => begin(user)));
      assert.equal((await rowsOf("impatient")).length, 1);
      const codes: number[] = [];
      for (const reply of replies) {
        const totp = codeOf(String(dataOf(reply)["secret"]));
        codes.push((await worker.call("totp_confirm", { ...user, totp })).resp_code);
      }
      assert.equal(codes.filter((code) => code === 200).length, 1, String(codes));
    });

    test("needs the access token of a session: no other issuer's, and no API key's", async () => {
      await assertNeedsAccessToken(worker, "totp_begin", {});
      for (const groups of [[], ["admin"]]) {
        const access_token = await worker.accessToken("Alice", groups);
        assertRefused(await begin({ access_token }), 403, "FORBIDDEN");
      }
      const root = await newUser(worker, "root", { groups: ["admin"] });
      const request = { username: "Alice", name: "key", access_token: root.access_token };
      const { api_key } = dataOf(await worker.call("api_key_create", request));
      const { access_token } = dataOf(await worker.call("token", { api_key }));
      assertRefused(await begin({ access_token }), 403, "FORBIDDEN");
    });

    test("ends with the session, the activation and the account", async () => {
      const admin = await worker.accessToken("chief", ["admin"]);
      for (const [username, queue, change, code, error] of [
        ["ended", "session_revoke", {}, 401, "INVALID_TOKEN"],
        ["resting", "user_change", { activated: false }, 403, "ACCOUNT_NOT_ACTIVATED"],
        ["gone-now", "user_delete", {}, 401, "INVALID_TOKEN"],
      ] as const) {
        const user = await newUser(worker, username);
        dataOf(await worker.call(queue, { username, access_token: admin, ...change }));
        assertRefused(await begin(user), code, error);
      }
    });

    test("ignores a username: nobody enrols for another account", async () => {
      const root = await newUser(worker, "chief", { groups: ["admin"] });
      await newUser(worker, "target");
      dataOf(await begin({ ...root, username: "target" }));
      assert.deepEqual(await rowsOf("target"), []);
    });

    test("names the fields of the wrong type", async () => {
      const { access_token } = await newUser(worker, "malformed");
      assertInvalid(await begin({ access_token, ip: 7 }), "ip");
      assertInvalid(await begin({ setup_token: 7 }), "setup_token");
      for (const setup_token of ["", "x", access_token])
        assertRefused(await begin({ setup_token }), 401, "INVALID_TOKEN");
      dataOf(await begin({ access_token, setup_token: null, ip: null }));
    });
  });
}
