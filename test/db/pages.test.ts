import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { sql } from "kysely";
import { dialectOf } from "../../src/db/database.ts";
import {
  type Page,
  type PageOfNames,
  pageOfGroups,
  pageOfMembers,
  pageOfUsernames,
} from "../../src/db/queries/pages.ts";
import { listGroups, listMembers } from "../../src/db/queries/groups.ts";
import { listUsernames } from "../../src/db/queries/users.ts";
import type { Db } from "../../src/db/database.ts";
import { DATABASES, startWorker, type TestWorker } from "../support/worker.ts";

const MANY = 12_000;
const AT = "2026-01-31 23:59:59.123";

/** Names with letters of both cases, digits and marks in every position. */
function nameOf(index: number): string {
  const letters = "aZ-_mB09xY";
  const text = String(index).padStart(5, "0");
  return `${Array.from(text, (digit) => letters[Number(digit)]).join("")}${index}`;
}

type Read = (db: Db, page: Page) => Promise<PageOfNames>;

const LISTS: Readonly<Record<string, { read: Read; all: (db: Db) => Promise<readonly string[]> }>> = {
  usernames: { read: pageOfUsernames, all: listUsernames },
  groups: { read: pageOfGroups, all: listGroups },
  members: {
    read: (db, page) => pageOfMembers(db, "crowd", page),
    all: (db) => listMembers(db, "crowd"),
  },
};

for (const database of DATABASES) {
  describe(`pages on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({ database });
      const { db } = worker;
      await db.insertInto("group").values({ name: "crowd" }).execute();
      const names = Array.from({ length: MANY }, (_, index) => nameOf((index * 7919) % MANY));
      for (let from = 0; from < MANY; from += 1000) {
        const some = names.slice(from, from + 1000);
        await db
          .insertInto("user")
          .values(
            some.map((username) => ({
              username,
              password_hash: null,
              auth_type: "LOCAL" as const,
              email: `${username}@example.com`,
              activated: 1,
              created_at: AT,
              modified_at: AT,
            })),
          )
          .execute();
        await db
          .insertInto("group")
          .values(some.map((name) => ({ name })))
          .execute();
        await db
          .insertInto("usergroup")
          .values(some.map((username) => ({ username, groupname: "crowd" })))
          .execute();
      }
    });
    after(() => worker[Symbol.asyncDispose]());

    for (const [what, { read, all }] of Object.entries(LISTS)) {
      const walk = async (limit: number, prefix?: string): Promise<string[]> => {
        const names: string[] = [];
        let after: string | undefined;
        do {
          const page = await read(worker.db, { limit, after, prefix });
          assert.ok(page.names.length <= limit, `${page.names.length} names`);
          // There is a cursor if and only if more names follow.
          assert.equal(page.next, page.next === undefined ? undefined : page.names.at(-1));
          names.push(...page.names);
          after = page.next;
        } while (after !== undefined);
        return names;
      };

      test(`of ${what} add up to the whole list in order, with any page size`, async () => {
        const whole = await all(worker.db);
        assert.ok(whole.length >= MANY, `${whole.length} names`);
        for (const limit of [1000, 997, 313]) assert.deepEqual(await walk(limit), whole, String(limit));
        assert.deepEqual(await walk(whole.length), whole);
        assert.deepEqual(await walk(whole.length - 1), whole);
      });

      test(`of ${what} start after any cursor, even one that is not a name`, async () => {
        const whole = await all(worker.db);
        const texts = fc.oneof(
          fc.constantFrom(...whole.slice(0, 300)),
          fc.string({ unit: fc.constantFrom("a", "A", "z", "Z", "m", "-", "_", "0", "9"), maxLength: 6 }),
        );
        await fc.assert(
          fc.asyncProperty(texts, fc.integer({ min: 1, max: 20 }), async (after, limit) => {
            const { names, next } = await read(worker.db, { limit, after, prefix: undefined });
            // The database decides where the cursor sorts; the page must be a slice of the list.
            const at = names[0] === undefined ? whole.length : whole.indexOf(names[0]);
            assert.deepEqual(names, whole.slice(at, at + limit));
            assert.equal(next !== undefined, at + limit < whole.length);
            const known = whole.indexOf(after);
            if (known >= 0) assert.equal(at, known + 1);
          }),
          { numRuns: 200 },
        );
      });

      test(`of ${what} with a prefix contain exactly the names with that prefix`, async () => {
        const whole = await all(worker.db);
        const isSame = (name: string, prefix: string): boolean =>
          what === "groups" ? name.startsWith(prefix) : name.toLowerCase().startsWith(prefix.toLowerCase());
        for (const prefix of [
          "a",
          "A",
          "aZ",
          "az-",
          "_",
          "-",
          "%",
          "__",
          "!",
          "m%",
          "\\",
          "aaaaa",
          "zzzz",
          "*",
          "[a]",
        ])
          assert.deepEqual(
            await walk(500, prefix),
            whole.filter((name) => isSame(name, prefix)),
            prefix,
          );
        assert.deepEqual(await walk(5000, ""), whole);
      });

      test(`of ${what} are stable while names are added and deleted`, async () => {
        const { db } = worker;
        const whole = await all(db);
        const first = await read(db, { limit: 100, after: undefined, prefix: undefined });
        // Deletes the cursor's name, and adds one before it and one after it.
        const cursor = first.next ?? "";
        const last = whole.at(-1) ?? "";
        const added = [`${whole[0]}x`, `${last}x`];
        await change(db, what, cursor, added);
        const rest: string[] = [];
        for (let after: string | undefined = cursor; after !== undefined; ) {
          const page: PageOfNames = await read(db, { limit: 1000, after, prefix: undefined });
          rest.push(...page.names);
          after = page.next;
        }
        assert.deepEqual([...first.names, ...rest], [...whole, `${last}x`]);
        await restore(db, what, cursor, added);
        assert.deepEqual(await all(db), whole);
      });
    }

    test("are read by an index: the number of rows read does not grow with the list", async () => {
      const middle = nameOf(6000);
      const pages: Page[] = [
        { limit: 50, after: undefined, prefix: undefined },
        { limit: 50, after: middle, prefix: undefined },
        { limit: 50, after: undefined, prefix: "Z" },
        { limit: 50, after: middle, prefix: middle.slice(0, 2) },
      ];
      for (const [what, { read }] of Object.entries(LISTS))
        for (const page of pages) {
          const label = `${what} ${JSON.stringify(page)}`;
          if (dialectOf(worker.db) === "mysql") {
            const rows = await rowsRead(worker, (db) => read(db, page));
            assert.ok(rows >= 40 && rows <= 60, `${label}: ${rows} rows`);
          } else {
            const plan = await planOf(worker, (db) => read(db, page));
            assert.match(plan, /^(?:SEARCH|SCAN) \w+ USING (?:COVERING )?INDEX [^;]+$/, label);
            if (page.after !== undefined || page.prefix !== undefined) assert.match(plan, /^SEARCH/, label);
          }
        }
    });
  });
}

/** Deletes one name of a list and adds others. */
async function change(db: Db, what: string, deleted: string, added: readonly string[]): Promise<void> {
  if (what === "groups") {
    await db.deleteFrom("group").where("name", "=", deleted).execute();
    await db
      .insertInto("group")
      .values(added.map((name) => ({ name })))
      .execute();
    return;
  }
  const users = added.map((username) => ({
    username,
    password_hash: null,
    auth_type: "LOCAL" as const,
    email: `${username}@example.com`,
    activated: 1,
    created_at: AT,
    modified_at: AT,
  }));
  if (what === "usernames") await db.deleteFrom("user").where("username", "=", deleted).execute();
  else await db.deleteFrom("usergroup").where("username", "=", deleted).execute();
  await db.insertInto("user").values(users).execute();
  await db
    .insertInto("usergroup")
    .values(added.map((username) => ({ username, groupname: "crowd" })))
    .execute();
}

/** Undoes `change`. */
async function restore(db: Db, what: string, deleted: string, added: readonly string[]): Promise<void> {
  if (what === "groups") {
    await db.deleteFrom("group").where("name", "in", added).execute();
    await db.insertInto("group").values({ name: deleted }).execute();
    return;
  }
  await db.deleteFrom("user").where("username", "in", added).execute();
  const user = {
    username: deleted,
    password_hash: null,
    auth_type: "LOCAL" as const,
    email: `${deleted}@example.com`,
    activated: 1,
    created_at: AT,
    modified_at: AT,
  };
  if (what === "usernames") await db.insertInto("user").values(user).execute();
  await db.insertInto("usergroup").values({ username: deleted, groupname: "crowd" }).execute();
}

/** The number of rows that the server read for the statements, by its own count. */
async function rowsRead({ db }: TestWorker, work: (db: Db) => Promise<unknown>): Promise<number> {
  return db.transaction().execute(async (trx) => {
    const count = async (): Promise<number> => {
      const { rows } = await sql<{ Value: string }>`show session status like 'Handler_read%'`.execute(trx);
      return rows.reduce((sum, { Value }) => sum + Number(Value), 0);
    };
    const [none, before] = [await count(), await count()];
    await work(trx);
    return (await count()) - before - (before - none);
  });
}

/** SQLite's query plan. */
async function planOf({ db }: TestWorker, work: (db: Db) => Promise<unknown>): Promise<string> {
  const statements: { sql: string; parameters: readonly unknown[] }[] = [];
  await work(
    db.withPlugin({
      transformQuery: ({ node, queryId }) => {
        statements.push(db.getExecutor().compileQuery(node, queryId));
        return node;
      },
      transformResult: async ({ result }) => result,
    }),
  );
  const details: string[] = [];
  for (const { sql: text, parameters } of statements) {
    const { rows } = await db.executeQuery<{ detail: string }>({
      sql: `explain query plan ${text}`,
      parameters,
      query: { kind: "RawNode", sqlFragments: [], parameters: [] },
      queryId: { queryId: "plan" },
    } as never);
    details.push(...rows.map(({ detail }) => detail));
  }
  return details.join("; ");
}
