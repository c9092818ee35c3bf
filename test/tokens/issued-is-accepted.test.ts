import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { createVerifier, type Verifier } from "../../src/client/index.ts";
import type { Database } from "../../src/db/database.ts";
import { PROCEDURES } from "../../src/procedures/index.ts";
import { tokenFields } from "../../src/rpc/procedure.ts";
import { MAX_TOKEN_LENGTH } from "../../src/wire/token-length.ts";
import { connectKeyed } from "../support/keyed-caller.ts";
import { assertRefused, dataOf } from "../support/replies.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { DATABASES, startWorker, type TestWorker } from "../support/worker.ts";
import { decodePart } from "./craft.ts";

const PASSWORD = "correct horse";

/** Codes of replies after the token was accepted; 400 and 413 come before the token is checked. */
const ACCEPTED = [200, 204, 403, 404, 409];

/** Approximate length of the group list: small, at the limit of an ID token, at that of an access token, and beyond. */
const lists = fc.record({
  bytes: fc.oneof(
    fc.integer({ min: 0, max: 8000 }),
    fc.integer({ min: 23_500, max: 24_500 }),
    fc.integer({ min: 24_500, max: 120_000 }),
  ),
  letter: fc.constantFrom("a", "é", "漢", "😀", '"'),
  length: fc.integer({ min: 6, max: 80 }),
});

function namesOf({ bytes, letter, length }: { bytes: number; letter: string; length: number }): string[] {
  const stem = letter.repeat(Math.ceil((length - 5) / letter.length));
  const count = Math.floor(bytes / (Buffer.byteLength(JSON.stringify(`${stem}00000`)) + 1));
  return Array.from({ length: count }, (_, index) => stem + String(index).padStart(5, "0"));
}

for (const database of DATABASES) {
  describe(`tokens of a user with any number of groups on ${database}`, () => {
    let worker: TestWorker;
    let verifier: Verifier;
    before(async () => {
      worker = await startWorker({ database });
      await worker.addUser("alice", PASSWORD);
      verifier = createVerifier({ issuer: "authmq", keys: createPublicKey(worker.config.signing!.key) });
    });
    after(() => worker[Symbol.asyncDispose]());

    /** Asserts that every queue with an access token and the client's verifier accept this token. */
    async function assertWorks(access_token: string, groups: readonly string[]): Promise<void> {
      assert.ok(access_token.length <= MAX_TOKEN_LENGTH, `${access_token.length} characters`);
      assert.deepEqual((await verifier.verify(access_token)).groups, groups);
      const introspected = dataOf(await worker.call("introspect", { token: access_token }));
      assert.deepEqual([introspected["active"], introspected["groups"]], [true, groups]);
      for (const { name, access, example } of PROCEDURES) {
        if (tokenFields(access)[0] !== "access_token") continue;
        // Another user's name, so that alice stays unchanged: 403 comes after the token was accepted.
        const request = { ...example.request, username: "somebody-else", access_token };
        const { resp_code, resp_data } = await worker.call(name, request);
        assert.ok(ACCEPTED.includes(resp_code), `${name}: ${JSON.stringify(resp_data)}`);
      }
    }

    test("each is accepted by every queue and the verifier, or its issue fails with TOKEN_TOO_LARGE", async () => {
      const seen = { issued: 0, refused: 0 };
      const property = fc.asyncProperty(lists, async (list) => {
        const groups = namesOf(list);
        await setGroups(worker.db, "alice", groups);
        const login = dataOf(await worker.call("login", { username: "alice", password: PASSWORD }));
        const id_token = String(login["id_token"]);
        assert.ok(id_token.length <= 8192, `${id_token.length} characters`);
        assert.equal(dataOf(await worker.call("introspect", { token: id_token }))["active"], true);
        const reply = await worker.call("token", { id_token });
        if (reply.resp_code === 200) {
          seen.issued++;
          await assertWorks(String(reply.resp_data["access_token"]), groups.toSorted());
        } else {
          seen.refused++;
          assertRefused(reply, 409, "TOKEN_TOO_LARGE");
          await waitUntil(
            "the log line",
            () => worker.log.some((line) => line.includes(` ${groups.length} groups `)) || undefined,
          );
          const some = groups.slice(0, 10);
          const limited = dataOf(await worker.call("token", { id_token, groups: some }));
          assert.equal(decodePart(String(limited["access_token"]), 1)["limited"], true);
          await assertWorks(String(limited["access_token"]), some.toSorted());
        }
        dataOf(await worker.call("logout", { id_token }));
      });
      await fc.assert(property, { numRuns: 25 });
      assert.ok(seen.issued > 0 && seen.refused > 0, JSON.stringify(seen));
    });

    test("a retried login with an idempotency key returns the same ID token, with groups or without", async () => {
      await using caller = await connectKeyed(worker);
      for (const count of [10, 3000]) {
        await setGroups(
          worker.db,
          "alice",
          Array.from({ length: count }, (_, index) => `group-${index}`.padEnd(60, "x")),
        );
        const request = { username: "alice", password: PASSWORD };
        const first = dataOf(await caller.call(`key-${count}`, "login", request));
        assert.equal(Object.hasOwn(decodePart(String(first["id_token"]), 1), "groups"), count === 10);
        await setGroups(worker.db, "alice", ["other"]);
        const again = dataOf(await caller.call(`key-${count}`, "login", request));
        assert.equal(again["id_token"], first["id_token"]);
        dataOf(await worker.call("token", { id_token: again["id_token"] }));
      }
    });
  });
}

/** Replaces the user's groups. */
async function setGroups(db: Database, username: string, groups: readonly string[]): Promise<void> {
  await db.deleteFrom("usergroup").where("username", "=", username).execute();
  await db.deleteFrom("group").where("name", "!=", "admin").execute();
  for (let from = 0; from < groups.length; from += 500) {
    const names = groups.slice(from, from + 500);
    await db
      .insertInto("group")
      .values(names.map((name) => ({ name })))
      .execute();
    await db
      .insertInto("usergroup")
      .values(names.map((groupname) => ({ username, groupname })))
      .execute();
  }
}

describe("an installation with an issuer name that nearly fills a token", () => {
  test("issues no ID token that is too long even without groups, and starts no session", async () => {
    await using worker = await startWorker({ config: { jwt_creation: { issuer: "i".repeat(30_000) } } });
    await worker.addUser("alice", PASSWORD);
    const request = { username: "alice", password: PASSWORD };
    assertRefused(await worker.call("login", request), 409, "TOKEN_TOO_LARGE");
    assert.deepEqual(await worker.db.selectFrom("token").selectAll().execute(), []);
    assert.deepEqual(
      await worker.db.selectFrom("event").selectAll().where("type", "=", "session.started").execute(),
      [],
    );
    await waitUntil(
      "the log line",
      () => worker.log.some((line) => line.includes(" 0 groups ")) || undefined,
    );
  });

  test("does not count a correct password as a failed login if the token is too long", async () => {
    const login_throttle = { free_failures: 2 };
    await using worker = await startWorker({
      config: { jwt_creation: { issuer: "i".repeat(30_000) }, app_config: { login_throttle } },
    });
    await worker.addUser("alice", PASSWORD);
    const codes = [];
    for (const password of ["wrong", PASSWORD, "wrong", PASSWORD, PASSWORD])
      codes.push((await worker.call("login", { username: "alice", password })).resp_code);
    assert.deepEqual(codes, [401, 409, 401, 409, 409]);
  });

  test("issues no token that would exceed a small max_request_bytes", async () => {
    await using worker = await startWorker({ config: { amqp_settings: { max_request_bytes: 2048 } } });
    const groups = Array.from({ length: 60 }, (_, index) => `a-group-with-a-name-${index}`);
    await worker.addUser("alice", PASSWORD, { groups });
    const id_token = await worker.login("alice", PASSWORD);
    assertRefused(await worker.call("token", { id_token }), 409, "TOKEN_TOO_LARGE");
    const reply = await worker.call("token", { id_token, groups: groups.slice(0, 20) });
    const { access_token } = dataOf(reply);
    assert.equal((await worker.call("user_all", { access_token })).resp_code, 200);
  });
});
