import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig } from "../../src/config/load.ts";
import { openDatabase } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrate.ts";
import { holdLease } from "../../src/db/queries/leases.ts";
import { toSqlTime } from "../../src/db/time.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { DATABASES, provision } from "../support/worker.ts";

for (const database of DATABASES) {
  test(`a lease on ${database} is taken over if expired or from a wrong clock, not if clocks just differ`, async () => {
    const { raw, cleanUp } = await provision({ database });
    const config = parseConfig(raw, { keys: true, env: {}, folder: scratchFolder });
    await migrate(config.db);
    const db = openDatabase(config.db);
    try {
      await holdLease(db, "events", 6000);
      /**
       * Whether the lease can be taken after another replica renewed it `since` ms ago, with a clock that is `ahead` ms
       * fast.
       */
      const isTaken = async (ahead: number, since = 0): Promise<boolean> => {
        const held_until = toSqlTime(new Date(Date.now() - since + ahead + 6000));
        await db.updateTable("lease").set({ held_until }).where("name", "=", "events").execute();
        return (await holdLease(db, "events", 6000)) !== undefined;
      };
      assert.equal(await isTaken(0), false);
      assert.equal(await isTaken(1000), false);
      assert.equal(await isTaken(-1000, 4000), false);
      assert.equal(await isTaken(0, 6100), true);
      assert.equal(await isTaken(3_600_000), true);
    } finally {
      await db.destroy();
      await cleanUp();
    }
  });
}
