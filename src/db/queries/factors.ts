import type { Insertable } from "kysely";
import type { Db, Reader, Trx } from "../database.ts";
import type { FactorType, Tables } from "../tables.ts";
import { fromSqlTime, toSqlTime } from "../time.ts";

/** A passkey, as stored; binary values in base64url. */
export interface StoredPasskey {
  /** The credential id. */
  readonly id: string;
  /** In COSE form (RFC 9052). */
  readonly publicKey: string;
  /** `user.id` of the registration: the account as the authenticator knows it. */
  readonly userHandle: string;
  readonly transports: readonly string[];
}

/** A confirmed second factor. */
export interface FactorRow {
  readonly id: bigint;
  readonly type: FactorType;
  readonly name: string;
  readonly created_at: Date;
  readonly last_use: Date | null;
  /** Of recovery codes: how many are unused. */
  readonly remaining: number;
  readonly passkey: StoredPasskey | undefined;
}

/** An encrypted TOTP secret, and the id of its encryption key. */
export interface SealedSecret {
  readonly keyId: string;
  readonly sealed: Uint8Array;
}

/** A TOTP, with its secret. */
export interface TotpRow extends SealedSecret {
  readonly id: bigint;
}

/** A passkey, with its account and the signature counter of its last use. */
export interface PasskeyRow {
  readonly id: bigint;
  readonly username: string;
  readonly signCount: number;
  readonly passkey: StoredPasskey;
}

/** The confirmed second factors of a user, oldest first. `username` in its stored spelling. */
export async function listFactors(db: Reader, username: string): Promise<FactorRow[]> {
  const rows = await db
    .selectFrom("factor")
    .select(["factor_id", "type", "name", "created_at", "last_use", "credential"])
    .select((is) =>
      is
        .selectFrom("recovery_code")
        .select((code) => code.fn.countAll<number | string>().as("count"))
        .whereRef("recovery_code.factor_id", "=", "factor.factor_id")
        .as("remaining"),
    )
    .where("user_id", "=", username)
    .where("confirmed_at", "is not", null)
    .orderBy("created_at")
    // Recovery codes are created in the same millisecond as the first factor.
    .orderBy((is) => is("type", "=", "recovery_codes"))
    .orderBy("factor_id")
    .execute();
  return rows.map(({ factor_id, created_at, last_use, credential, remaining, ...row }) => ({
    ...row,
    id: BigInt(factor_id),
    created_at: fromSqlTime(created_at),
    last_use: last_use === null ? null : fromSqlTime(last_use),
    remaining: Number(remaining ?? 0),
    passkey: credential === null ? undefined : readPasskey(credential),
  }));
}

/** A user's confirmed TOTP, or the one whose enrolment began after `begunAfter`; undefined if there is none. */
export async function findTotp(
  db: Reader,
  username: string,
  begunAfter?: Date,
): Promise<TotpRow | undefined> {
  const query = db
    .selectFrom("factor")
    .select(["factor_id", "secret", "secret_key_id"])
    .where("user_id", "=", username)
    .where("type", "=", "totp");
  const row = await (begunAfter === undefined
    ? query.where("confirmed_at", "is not", null)
    : query.where("confirmed_at", "is", null).where("created_at", ">", toSqlTime(begunAfter))
  ).executeTakeFirst();
  return row === undefined ? undefined : toTotp(row);
}

/** A TOTP by its id; undefined if it was confirmed or removed. */
export async function findPendingTotp(db: Reader, id: bigint): Promise<TotpRow | undefined> {
  const row = await db
    .selectFrom("factor")
    .select(["factor_id", "secret", "secret_key_id"])
    .where("factor_id", "=", id)
    .where("confirmed_at", "is", null)
    .executeTakeFirst();
  return row && toTotp(row);
}

/** The passkey with this SHA-256 of its credential id, of whichever account; undefined if there is none. */
export async function findPasskey(db: Reader, credentialHash: Uint8Array): Promise<PasskeyRow | undefined> {
  const row = await db
    .selectFrom("factor")
    .select(["factor_id", "user_id", "sign_count", "credential"])
    .where("credential_hash", "=", credentialHash)
    .executeTakeFirst();
  if (row === undefined || row.credential === null) return undefined;
  return {
    id: BigInt(row.factor_id),
    username: row.user_id,
    signCount: Number(row.sign_count ?? 0),
    passkey: readPasskey(row.credential),
  };
}

/** Begins the enrolment of a TOTP; replaces an unfinished one. `username` in its stored spelling. */
export async function insertPendingTotp(
  trx: Trx,
  username: string,
  { id, keyId, sealed }: TotpRow,
): Promise<void> {
  await deletePendingTotp(trx, username);
  await insert(trx, username, { id, type: "totp", name: "" }, { secret: sealed, secret_key_id: keyId });
}

/** Deletes the unfinished enrolment of a TOTP, if there is one. */
export async function deletePendingTotp(trx: Trx, username: string): Promise<void> {
  await trx
    .deleteFrom("factor")
    .where("user_id", "=", username)
    .where("type", "=", "totp")
    .where("confirmed_at", "is", null)
    .execute();
}

/** Confirms the enrolment of a TOTP with a code of `step`; false if that was done or replaced already. */
export async function confirmTotp(trx: Trx, id: bigint, name: string, step: number): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable("factor")
    .set({ confirmed_at: toSqlTime(new Date()), last_step: step, name })
    .where("factor_id", "=", id)
    .where("confirmed_at", "is", null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Adds a confirmed passkey; throws a duplicate error if the credential is registered. */
export async function insertPasskey(
  trx: Trx,
  username: string,
  row: { id: bigint; name: string; credentialHash: Uint8Array; signCount: number; passkey: StoredPasskey },
): Promise<void> {
  await insert(
    trx,
    username,
    { id: row.id, type: "passkey", name: row.name },
    {
      confirmed_at: toSqlTime(new Date()),
      credential_hash: row.credentialHash,
      credential: JSON.stringify(row.passkey),
      sign_count: row.signCount,
    },
  );
}

/** Adds a set of recovery codes by their digests. */
export async function insertRecoveryCodes(
  trx: Trx,
  username: string,
  { id, name, hashes }: { id: bigint; name: string; hashes: readonly Uint8Array[] },
): Promise<void> {
  const confirmed = { confirmed_at: toSqlTime(new Date()) };
  await insert(trx, username, { id, type: "recovery_codes", name }, confirmed);
  await trx
    .insertInto("recovery_code")
    .values(hashes.map((code_hash) => ({ factor_id: id, code_hash })))
    .execute();
}

/** Consumes the time step of a TOTP code; false if a code of this step or a later one was used. */
export async function useTotpStep(trx: Trx, id: bigint, step: number): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable("factor")
    .set({ last_step: step, last_use: toSqlTime(new Date()) })
    .where("factor_id", "=", id)
    .where("confirmed_at", "is not", null)
    .where((is) => is.or([is("last_step", "is", null), is("last_step", "<", step)]))
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Records the use of a passkey; false if it was removed, or used by another request since `before` was read. */
export async function usePasskey(
  trx: Trx,
  { id, signCount: before }: Pick<PasskeyRow, "id" | "signCount">,
  signCount: number,
): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable("factor")
    .set({ sign_count: signCount, last_use: toSqlTime(new Date()) })
    .where("factor_id", "=", id)
    .where("sign_count", "=", before)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Consumes a recovery code of a user by its digest; the number of unused ones, or undefined if there is no such code. */
export async function useRecoveryCode(
  trx: Trx,
  username: string,
  hash: Uint8Array,
): Promise<{ readonly id: bigint; readonly remaining: number } | undefined> {
  const factor = await trx
    .selectFrom("factor")
    .select("factor_id")
    .where("user_id", "=", username)
    .where("type", "=", "recovery_codes")
    .executeTakeFirst();
  if (factor === undefined) return undefined;
  const id = BigInt(factor.factor_id);
  const { numDeletedRows } = await trx
    .deleteFrom("recovery_code")
    .where("factor_id", "=", id)
    .where("code_hash", "=", hash)
    .executeTakeFirst();
  if (numDeletedRows === 0n) return undefined;
  const last_use = toSqlTime(new Date());
  await trx.updateTable("factor").set({ last_use }).where("factor_id", "=", id).execute();
  const { count } = await trx
    .selectFrom("recovery_code")
    .select((is) => is.fn.countAll<number | string>().as("count"))
    .where("factor_id", "=", id)
    .executeTakeFirstOrThrow();
  return { id, remaining: Number(count) };
}

/** Deletes second factors with their recovery codes. */
export async function deleteFactors(trx: Trx, ids: readonly bigint[]): Promise<void> {
  for (const id of ids) await trx.deleteFrom("factor").where("factor_id", "=", id).execute();
}

async function insert(
  trx: Db,
  username: string,
  { id, type, name }: Pick<FactorRow, "id" | "type" | "name">,
  columns: Partial<Insertable<Tables["factor"]>>,
): Promise<void> {
  await trx
    .insertInto("factor")
    .values({
      confirmed_at: null,
      ...columns,
      factor_id: id,
      user_id: username,
      type,
      name,
      created_at: toSqlTime(new Date()),
    })
    .execute();
}

function toTotp(row: {
  factor_id: bigint | string;
  secret: Uint8Array | null;
  secret_key_id: string | null;
}): TotpRow | undefined {
  const { factor_id, secret, secret_key_id } = row;
  if (secret === null || secret_key_id === null) return undefined;
  return { id: BigInt(factor_id), sealed: secret, keyId: secret_key_id };
}

function readPasskey(credential: string): StoredPasskey {
  return JSON.parse(credential) as StoredPasskey; // as `insertPasskey` has written it
}
