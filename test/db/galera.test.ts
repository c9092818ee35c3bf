import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { parseConfig } from "../../src/config/load.ts";
import { type Database, openDatabase } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrate.ts";
import { startSession } from "../../src/accounts/sessions.ts";
import { deleteIdTokens, findSessions, listSessionsOf } from "../../src/db/queries/id-tokens.ts";
import { createUser, recordLogin } from "../../src/db/queries/users.ts";
import { inTransaction } from "../../src/db/transaction.ts";
import { withRoot } from "../chaos/stores.ts";
import type { DatabaseServer } from "../support/servers/database.ts";
import { hasGalera, startGalera } from "../support/servers/galera.ts";
import { Scratch, waitUntil } from "../support/servers/scratch.ts";
import { insertSession } from "../support/session-row.ts";

const USER = "anna";

describe("a Galera cluster", { skip: hasGalera() ? false : "Galera is not installed" }, () => {
  const scratch = new Scratch();
  let nodes: readonly DatabaseServer[];
  /** The database through each node. */
  let databases: readonly Database[];

  before(async () => {
    nodes = await startGalera(scratch, { nodes: 2 });
    await withRoot(nodes[0]!, (query) => query("create database authmq"));
    const configs = nodes.map(({ host, port, user, password }) => {
      const db_settings = { dialect: "mysql", host, port, user, password, database: "authmq" };
      return parseConfig({ db_settings }, { keys: false, env: {}, folder: "/" }).db;
    });
    await migrate(configs[0]!);
    databases = configs.map((config) => openDatabase(config));
    const email = `${USER}@example.com`;
    await createUser(databases[0]!, {
      ...{ username: USER, email, password_hash: Buffer.from("first"), auth_type: "LOCAL", activated: true },
    });
  });
  after(async () => {
    await Promise.all(databases.map((db) => db.destroy()));
    await scratch.close();
  });

  /** Lets the second node apply nothing while `work` runs. */
  const whileSecondLags = (work: (catchUp: () => Promise<unknown>) => Promise<void>): Promise<void> =>
    withRoot(nodes[1]!, async (query) => {
      await query("flush tables with read lock");
      await work(() => query("unlock tables"));
    });

  const isReading = (): Promise<boolean> =>
    withRoot(nodes[1]!, async (query) => {
      const rows = await query(
        "select 1 from information_schema.processlist where db = 'authmq' and info is not null",
      );
      return rows.length > 0;
    });

  test("a session that one node has revoked is not found at a node that lags", async () => {
    const [here, there] = databases as [Database, Database];
    const id = await insertSession(here, USER);
    assert.equal((await findSessions(there, [id])).size, 1, "the session is not visible at the other node");
    await whileSecondLags(async (catchUp) => {
      await inTransaction(here, (trx) => deleteIdTokens(trx, USER, [id]));
      let hasEnded = false;
      const found = findSessions(there, [id]).finally(() => (hasEnded = true));
      await waitUntil(
        "the read waits at the node, or has ended",
        async () => hasEnded || (await isReading()),
      );
      await catchUp();
      assert.equal((await found).size, 0, "the revoked session is still valid at the other node");
    });
  });

  test("a transaction that loses a conflict at its commit is retried", async () => {
    const [here, there] = databases as [Database, Database];
    const at = new Date();
    let attempts = 0;
    await inTransaction(there, async (trx) => {
      attempts++;
      await recordLogin(trx, USER, { at, password_hash: Buffer.from("of the second node") });
      if (attempts === 1) {
        await inTransaction(here, (other) =>
          recordLogin(other, USER, { at, password_hash: Buffer.from("of the first node") }),
        );
      }
    });
    assert.equal(attempts, 2, `${attempts} attempts`);
    const rows = await Promise.all(
      databases.map((db) => db.selectFrom("user").select("password_hash").executeTakeFirstOrThrow()),
    );
    for (const { password_hash } of rows)
      assert.equal(String(password_hash), "of the second node", "the retried transaction was lost");
  });

  test("logins through two nodes at once keep to the limit of sessions", async () => {
    const user = await databases[0]!.selectFrom("user").selectAll().executeTakeFirstOrThrow();
    const logIn = async (db: Database): Promise<void> => {
      await inTransaction(db, async (trx) => {
        const now = new Date();
        const more = { ip: "*", vhost: "prod", sign_method: "EdDSA", validated_at: null, client: null };
        const session = {
          ...more,
          amr: ["pwd"],
          created_at: now,
          valid_until: new Date(now.getTime() + 60_000),
        };
        await startSession({ trx, actor: USER }, { user, rehashed: undefined }, session, { limit: 1 });
      });
    };
    for (let round = 0; round < 20; round++) {
      // With no session to end, the two logins change no common row of the table of sessions.
      await databases[0]!.deleteFrom("token").execute();
      await Promise.all(databases.map(logIn));
      const { length } = (await listSessionsOf(databases[0]!, USER)).live;
      assert.equal(length, 1, `${length} sessions after round ${round}`);
    }
  });
});
