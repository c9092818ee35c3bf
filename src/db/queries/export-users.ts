import type { Db } from "../database.ts";
import type { AuthType } from "../tables.ts";
import { fromSqlTime } from "../time.ts";
import { groupsOfUser, readGroups } from "./groups.ts";

/** A user in the form for other systems. */
export interface ExportedUser {
  readonly username: string;
  /** Null for a directory user without one. */
  readonly email: string | null;
  readonly auth_type: AuthType;
  readonly activated: boolean;
  readonly groups: readonly string[];
  readonly created_at: Date;
  /** When the address was verified; null if not. */
  readonly email_verified_at: Date | null;
  /** Undefined if not requested, or if there is none. */
  readonly password_hash: string | undefined;
}

/** Users per statement. */
const BATCH = 500;

/** Yields all users sorted by name, in batches; each batch is a separate read. */
export async function* exportUsers(
  db: Db,
  { withHashes }: { withHashes: boolean },
): AsyncGenerator<readonly ExportedUser[]> {
  let last: string | undefined;
  do {
    const after = last;
    const rows = await db
      .selectFrom("user")
      .select(["username", "username_key", "email", "auth_type", "activated", "created_at"])
      .select(["email_verified_at", groupsOfUser(db)])
      .$if(withHashes, (query) => query.select("password_hash"))
      .$if(after !== undefined, (query) => query.where("username_key", ">", after ?? ""))
      .orderBy("username_key")
      .limit(BigInt(BATCH))
      .execute();
    yield rows.map(
      ({ username, email, auth_type, activated, groups, created_at, password_hash, ...row }) => ({
        username,
        email,
        auth_type,
        activated: activated === 1,
        groups: readGroups(groups),
        created_at: fromSqlTime(created_at),
        email_verified_at: row.email_verified_at === null ? null : fromSqlTime(row.email_verified_at),
        password_hash: password_hash == null ? undefined : Buffer.from(password_hash).toString("latin1"),
      }),
    );
    last = rows.length < BATCH ? undefined : rows.at(-1)?.username_key;
  } while (last !== undefined);
}

/** A group whose name contains this text; undefined if there is none. */
export async function findGroupWith(db: Db, text: string): Promise<string | undefined> {
  const rows = await db.selectFrom("group").select("name").execute();
  return rows.map(({ name }) => name).find((name) => name.includes(text));
}
