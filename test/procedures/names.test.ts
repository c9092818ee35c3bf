import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { hash } from "@node-rs/bcrypt";
import { parseConfig } from "../../src/config/load.ts";
import { type Database, openDatabase } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrate.ts";
import { openEngine } from "../../src/engine.ts";
import { AppError } from "../../src/errors.ts";
import { createLogTo } from "../../src/observability/log.ts";
import { createMetrics } from "../../src/observability/metrics.ts";
import { failureEnvelope } from "../../src/rpc/envelope.ts";
import type { QueueName } from "../../src/wire/queues.ts";
import { createDatabase, dropDatabase } from "../support/database.ts";
import { createPartner } from "../support/partner.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { assertInvalid, assertRefused, dataOf } from "../support/replies.ts";
import { DATABASES, type DatabaseKind } from "../support/worker.ts";

const PASSWORD = "correct horse";
const NFC = "ren\u00e9e";
const NFD = "rene\u0301e";

/** Pairs of names and addresses that may be equal in a collation or language. */
const DISTINCT = [
  ["müller", "muller"],
  ["straße", "strasse"],
  ["alice.x", "alice.x "],
  ["émile", "Émile"],
  ["istanbul", "ıstanbul"],
  ["izmir", "İzmir"],
  ["wide", "ｗｉｄｅ"],
  ["zero", "ze\u200bro"],
] as const;

interface Reply {
  readonly resp_code: number;
  readonly resp_data: Record<string, unknown>;
}

interface Installation extends AsyncDisposable {
  readonly db: Database;
  call(queue: QueueName, request: object): Promise<Reply>;
  accessToken(username: string, groups?: readonly string[]): Promise<string>;
  login(username: string, password: string): Promise<string>;
}

/** The procedures on a separate database, without a broker. */
async function install(kind: DatabaseKind): Promise<Installation> {
  const server = kind === "mysql" ? await createDatabase() : undefined;
  const file = join(scratchFolder, `${randomBytes(6).toString("hex")}.db`);
  const partner = await createPartner();
  const raw = {
    jwt_creation: { issuer: "authmq", signmethod: "HS256", secret: { type: "plain", value: "x".repeat(64) } },
    jwt_validation: [partner.entry],
    db_settings:
      server === undefined
        ? { dialect: "sqlite", file }
        : { dialect: "mysql", ...server, timeout_ms: 15_000 },
    app_config: {
      allow_registration: true,
      username_regex: ".{1,100}",
      email_regex: ".+@.+",
      bcrypt_cost: 4,
    },
  };
  const config = parseConfig(raw, { keys: true, env: {}, folder: scratchFolder });
  await migrate(config.db);
  const engine = await openEngine(config, createLogTo(new PassThrough().resume(), "silent"), createMetrics());
  const db = openDatabase(config.db);
  const call = async (queue: QueueName, request: object): Promise<Reply> => {
    try {
      return { resp_code: 200, resp_data: { ...(await engine.pipeline.call(queue, request)) } };
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      const { resp_code, resp_data } = failureEnvelope(error);
      return { resp_code, resp_data: { ...resp_data } };
    }
  };
  return {
    db,
    call,
    accessToken: async (username, groups = []) => partner.accessToken(username, groups),
    login: async (username, password) =>
      String(dataOf(await call("login", { username, password }))["id_token"]),
    async [Symbol.asyncDispose]() {
      await engine.close();
      await db.destroy();
      if (server !== undefined) await dropDatabase(server.database);
    },
  };
}

for (const database of DATABASES) {
  describe(`names on ${database}`, () => {
    let worker: Installation;
    let access_token: string;
    before(async () => {
      worker = await install(database);
      access_token = await worker.accessToken("root", ["admin"]);
    });
    after(() => worker[Symbol.asyncDispose]());

    const register = (username: string, email: string, password = PASSWORD) =>
      worker.call("user_register", { username, email, password, password_confirm: password });
    const loginCode = async (username: string, password: string) =>
      (await worker.call("login", { username, password })).resp_code;
    const hashOf = async (username: string) => {
      const query = worker.db.selectFrom("user").select("password_hash").where("username", "=", username);
      return Buffer.from((await query.executeTakeFirstOrThrow()).password_hash ?? []).toString();
    };
    /** Stores a user like an older version or another system. */
    const store = async (username: string, password: string, email = `${username}@example.com`) =>
      worker.db
        .insertInto("user")
        .values({
          username,
          password_hash: Buffer.from(await hash(password, { cost: 4 })),
          auth_type: "LOCAL",
          email,
          activated: 1,
          created_at: "2026-01-01 00:00:00.000",
          modified_at: "2026-01-01 00:00:00.000",
        })
        .execute();

    test("that differ by more than the case of ASCII letters are different names", async () => {
      for (const [index, [one, other]] of DISTINCT.entries()) {
        dataOf(await register(one, `${one}@${index}.example`, `password of ${index}`));
        dataOf(await register(other, `${other}@${index}.example`, `another of ${index}`));
        assert.equal(await loginCode(one, `password of ${index}`), 200, one);
        assert.equal(await loginCode(other, `another of ${index}`), 200, other);
        assert.equal(await loginCode(other, `password of ${index}`), 401, other);
        for (const name of [one, other])
          assert.equal(dataOf(await worker.call("user_get", { username: name }))["username"], name);
        dataOf(await worker.call("user_password_forgot", { email: `${one}@${index}.example` }));
      }
      const users = dataOf(await worker.call("user_all", { access_token }))["users"] as string[];
      for (const name of DISTINCT.flat()) assert.ok(users.includes(name), `${name}: ${users.join(", ")}`);
    });

    test("and emails that differ only in the case of ASCII letters are equal", async () => {
      dataOf(await register("Zoë.K", "Zoë@Example.com"));
      assertRefused(await register("zOë.k", "other@example.com"), 409, "USERNAME_TAKEN");
      assertRefused(await register("another", "zOË@example.COM".replace("Ë", "ë")), 409, "EMAIL_TAKEN");
      assert.equal(await loginCode("ZOë.k", PASSWORD), 200);
      assert.equal(dataOf(await worker.call("user_get", { username: "ZOë.K" }))["username"], "Zoë.K");
    });

    test("are listed in code point order of their keys, also in pages and with prefixes", async () => {
      const made = ["list-b", "List-A", "list-É", "list-é", "list-Z", "list-_", "list- "];
      dataOf(await worker.call("group_create", { groupname: "listed", access_token }));
      for (const [index, username] of made.entries()) {
        dataOf(await register(username, `${index}@listed.example`));
        dataOf(await worker.call("group_add_user", { groupname: "listed", username, access_token }));
      }
      const order = ["list- ", "list-_", "List-A", "list-b", "list-Z", "list-É", "list-é"];
      const read = async (queue: QueueName, more: object) =>
        dataOf(await worker.call(queue, { access_token, ...more }));
      for (const [queue, more] of [
        ["user_all", {}],
        ["group_user", { groupname: "listed" }],
      ] as const) {
        assert.deepEqual((await read(queue, { ...more, q: "LIST-" }))["users"], order);
        assert.deepEqual((await read(queue, { ...more, q: "LIST-É" }))["users"], ["list-É"]);
        assert.deepEqual((await read(queue, { ...more, q: "list-e" }))["users"], []);
        const paged: string[] = [];
        let after: unknown;
        do {
          const page = await read(queue, { ...more, q: "list-", limit: 2, after });
          paged.push(...(page["users"] as string[]));
          after = page["next"];
        } while (after !== undefined);
        assert.deepEqual(paged, order);
      }
    });

    test("are equal in NFC and NFD, at every queue", async () => {
      dataOf(await register(NFD, "rene\u0301e@example.com"));
      assertRefused(await register(NFC, "x@example.com"), 409, "USERNAME_TAKEN");
      assertRefused(await register("somebody", "ren\u00e9e@example.com"), 409, "EMAIL_TAKEN");
      assert.equal(await loginCode(NFC, PASSWORD), 200);
      assert.equal(await loginCode(NFD, PASSWORD), 200);
      assert.equal(dataOf(await worker.call("user_get", { username: NFD }))["username"], NFC);
      const ownToken = async (password: string) => {
        const id_token = await worker.login(NFD, password);
        return dataOf(await worker.call("token", { id_token }))["access_token"];
      };
      const change = { username: NFD, password: "another one", access_token: await ownToken(PASSWORD) };
      dataOf(await worker.call("user_change", change));
      dataOf(await worker.call("group_create", { groupname: "staff", access_token }));
      dataOf(await worker.call("group_add_user", { groupname: "staff", username: NFD, access_token }));
      const members = dataOf(await worker.call("group_user", { groupname: "staff", access_token }));
      assert.deepEqual(members["users"], [NFC]);
      const { events } = dataOf(await worker.call("audit_log", { user: NFD, access_token }));
      const others = (events as { user: string }[]).filter(({ user }) => user !== NFC);
      assert.deepEqual(others, []);
      // The new password has ended the session before.
      const own = await ownToken("another one");
      dataOf(await worker.call("user_delete", { username: NFD, access_token: own }));
    });

    test("that an older version stored in NFD are found in both forms, and stay taken", async () => {
      const [stored, composed] = ["noe\u0301mie", "no\u00e9mie"];
      await store(stored, PASSWORD);
      for (const typed of [stored, composed, composed.replace("n", "N")]) {
        assert.equal(await loginCode(typed, PASSWORD), 200);
        assert.equal(dataOf(await worker.call("user_get", { username: typed }))["username"], stored);
      }
      assertRefused(await register(composed, "y@example.com"), 409, "USERNAME_TAKEN");
      assertRefused(await register("noemie2", `${composed}@example.com`), 409, "EMAIL_TAKEN");
      const id_token = await worker.login(composed, PASSWORD);
      const own = dataOf(await worker.call("token", { id_token }))["access_token"];
      dataOf(
        await worker.call("user_change", { username: composed, email: "n@example.com", access_token: own }),
      );
      dataOf(await worker.call("user_delete", { username: composed, access_token: own }));
    });

    test("that are stored in both forms belong to two users, who cannot act on each other", async () => {
      const [nfd, nfc] = ["ame\u0301lie", "am\u00e9lie"];
      await store(nfd, "hers", "one@twins.example");
      await store(nfc, "the other's", "two@twins.example");
      assert.equal(await loginCode(nfd, "the other's"), 200);
      assert.equal(await loginCode(nfd, "hers"), 401);
      const own = await worker.accessToken(nfd);
      assertRefused(
        await worker.call("user_change", { username: nfd, password: "taken over", access_token: own }),
        403,
        "FORBIDDEN",
      );
      assert.equal(
        dataOf(await worker.call("user_get", { username: nfd, access_token: own }))["groups"],
        undefined,
      );
    });

    test("passwords are equal in NFC and NFD, and with every kind of space", async () => {
      const forms = ["caf\u00e9 cr\u00e8me", "cafe\u0301 cre\u0300me", "caf\u00e9\u00a0cr\u00e8me"];
      for (const [index, set] of forms.entries()) {
        dataOf(await register(`drinker-${index}`, `d${index}@example.com`, set));
        for (const typed of forms) assert.equal(await loginCode(`drinker-${index}`, typed), 200);
        assert.equal(await loginCode(`drinker-${index}`, "cafe creme"), 401);
      }
    });

    test("hashes of passwords in NFD or with other spaces match, and are replaced", async () => {
      for (const [index, [bytes, typed]] of (
        [
          ["cafe\u0301 noir", "caf\u00e9 noir"],
          ["cafe\u0301 noir", "cafe\u0301 noir"],
          ["caf\u00e9\u00a0noir", "caf\u00e9\u00a0noir"],
        ] as const
      ).entries()) {
        const name = `legacy-${index}`;
        await store(name, bytes);
        const before = await hashOf(name);
        assert.equal(await loginCode(name, typed), 200);
        const changed = await hashOf(name);
        assert.notEqual(changed, before);
        for (const form of [bytes, typed, "caf\u00e9 noir"]) assert.equal(await loginCode(name, form), 200);
        assert.equal(await hashOf(name), changed);
      }
    });

    test("the prepared password is checked for the limit of 72 bytes and for the username", async () => {
      const long = "e\u0301".repeat(36); // 108 bytes as typed, 72 in NFC
      dataOf(await register("long-one", "long@example.com", long));
      assert.equal(await loginCode("long-one", "\u00e9".repeat(36)), 200);
      assertInvalid(await register("too-long", "too@example.com", `${long}x`), "password");
      assertInvalid(await register("L\u00e9onie", "l@example.com", "xx le\u0301onie"), "password");
    });

    test("a hash of the first 72 bytes from another system matches only those bytes", async () => {
      const long = "0123456789".repeat(8);
      await store("truncated", long.slice(0, 72));
      assert.equal(await loginCode("truncated", long), 401);
      assert.equal(await loginCode("truncated", long.slice(0, 72)), 200);
    });
  });
}
