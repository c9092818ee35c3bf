import type { Database, Reader } from "../../src/db/database.ts";
import { type IdTokenRow, listSessionsOf, recordIdToken } from "../../src/db/queries/id-tokens.ts";
import { createRowId } from "../../src/db/row-id.ts";

/** The session of a user that was used last; undefined if there is none. */
export async function latestSessionOf(db: Reader, username: string): Promise<IdTokenRow | undefined> {
  return (await listSessionsOf(db, username)).live[0];
}

/** Inserts a session that is valid for a day, without a login; returns its id. `username` in its stored spelling. */
export async function insertSession(db: Database, username: string): Promise<bigint> {
  const id = createRowId();
  const now = new Date();
  const row = {
    ip: "*",
    vhost: "prod",
    sign_method: "EdDSA",
    validated_at: null,
    client: null,
    amr: ["pwd"],
  };
  const valid_until = new Date(now.getTime() + 86_400_000);
  await db
    .transaction()
    .execute((trx) => recordIdToken(trx, username, id, { ...row, valid_until, created_at: now }));
  return id;
}
