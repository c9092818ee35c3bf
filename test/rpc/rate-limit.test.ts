import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { z } from "zod";
import { findUser } from "../../src/db/queries/users.ts";
import { AppError, type ErrorCode } from "../../src/errors.ts";
import { ip } from "../../src/procedures/fields.ts";
import { defineProcedure } from "../../src/rpc/procedure.ts";
import { openPipeline, type TestPipeline } from "../support/pipeline.ts";
import { assertRefused, dataOf } from "../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../support/worker.ts";

/** Fails as the request says. Its account is one that only the database knows. */
const attempt = defineProcedure({
  name: "user_unlock",
  key: "test",
  namespace: "user",
  method: "attempt",
  description: "Attempts.",
  access: "public",
  input: () => z.object({ ip: ip(), email: z.string(), error: z.string().optional() }),
  output: z.object({}),
  example: { request: { email: "alice@example.com" }, reply: {} },
  async guesses({ email }, { db }) {
    const row = await db.selectFrom("user").select("username").where("email", "=", email).executeTakeFirst();
    return row?.username;
  },
  async handler(_, { error }) {
    if (error !== undefined) throw new AppError(error as ErrorCode); // the tests send codes only
    return {};
  },
});

const FREE = 4;

for (const database of DATABASES) {
  describe(`the rate limit of a procedure on ${database}`, () => {
    let worker: TestWorker;
    let pipeline: TestPipeline;
    before(async () => {
      const login_throttle = { free_failures: FREE, free_failures_per_account: FREE };
      worker = await startWorker({ database, config: { app_config: { login_throttle } } });
      pipeline = await openPipeline(worker, [attempt]);
    });
    after(() => worker[Symbol.asyncDispose]());

    const ask = (username: string, error?: ErrorCode) =>
      pipeline.ask("user_unlock", { email: `${username}@example.com`, error });
    const recordOf = async (): Promise<{ failures: number; pending: number[] }[]> => {
      const rows = await worker.db.selectFrom("login_throttle").select("sources").execute();
      const clients = rows.flatMap(
        ({ sources }) => JSON.parse(sources) as { failures: number; pending: number[] }[],
      );
      await worker.db.deleteFrom("login_throttle").execute();
      return clients.map(({ failures, pending }) => ({ failures, pending }));
    };

    test("counts for an account that is looked up", async () => {
      await worker.addUser("looked", "correct horse");
      assert.ok((await findUser(worker.db, "looked")) !== undefined);
      for (let n = 0; n < FREE; n++)
        assertRefused(await ask("looked", "INVALID_CREDENTIALS"), 401, "INVALID_CREDENTIALS");
      assert.equal((await ask("looked")).resp_code, 429);
      assert.equal((await pipeline.ask("user_unlock", { email: "unknown@example.com" })).resp_code, 200);
      assert.deepEqual(await recordOf(), [{ failures: FREE, pending: [] }]);
    });

    for (const error of ["SECOND_FACTOR_REQUIRED", "SECOND_FACTOR_SETUP_REQUIRED"] as const) {
      test(`${error} neither counts, nor clears the failures, nor makes the next attempt wait`, async () => {
        const username = `user-${error.length}`;
        await worker.addUser(username, "correct horse");
        // Close to the limit, where attempts are recorded before their outcome
        for (let n = 1; n < FREE; n++) await ask(username, "INVALID_CREDENTIALS");
        for (let n = 0; n < 2 * FREE; n++) {
          const before = performance.now();
          assertRefused(await ask(username, error), 401, error);
          assert.ok(performance.now() - before < 5000, "it waited for an attempt that had ended");
        }
        assert.deepEqual(await recordOf(), [{ failures: FREE - 1, pending: [] }]);
        dataOf(await ask(username));
        assert.deepEqual(await recordOf(), [{ failures: 0, pending: [] }]);
      });
    }
  });
}
