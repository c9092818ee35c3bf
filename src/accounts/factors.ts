import { isDuplicate } from "../db/faults.ts";
import {
  deleteChallenge,
  deleteChallengesOf,
  findChallenge,
  insertChallenge,
} from "../db/queries/challenges.ts";
import {
  confirmTotp,
  deleteFactors,
  deletePendingTotp,
  type FactorRow,
  insertPasskey,
  insertPendingTotp,
  insertRecoveryCodes,
  listFactors,
  type PasskeyRow,
  type StoredPasskey,
  type TotpRow,
  usePasskey,
  useRecoveryCode,
  useTotpStep,
} from "../db/queries/factors.ts";
import { type LockedUser, lockUser } from "../db/queries/users.ts";
import { factorAdded, factorRemoved, recoveryCodesRenewed, recoveryCodeUsed } from "./events.ts";
import { record, type Writer } from "./writer.ts";

/** How many passkeys an account may have. */
const MAX_PASSKEYS = 20;

/** How long the enrolment of a TOTP may take, in milliseconds: people install an app meanwhile. */
export const ENROLMENT_LIFETIME = 60 * 60_000;

/** The name of recovery codes and of a TOTP without one, for the list of factors. */
const NAMES = { totp: "authenticator app", recovery_codes: "recovery codes" } as const;

/** An account that enrols a second factor. */
export interface Enrolee {
  /** In its stored spelling. */
  readonly username: string;
  /** The SHA-256 of a setup token's challenge; undefined if the user is logged in. */
  readonly setupHash: Uint8Array | undefined;
}

/** New recovery codes by their digests; they are stored if the factor is the account's first one. */
export interface NewRecoveryCodes {
  readonly id: bigint;
  readonly hashes: readonly Uint8Array[];
}

/** An added factor: the account's row, and whether the recovery codes were stored. */
export interface AddedFactor {
  readonly user: LockedUser;
  readonly hasNewCodes: boolean;
}

/** Begins the enrolment of a TOTP; false if the account may not enrol. */
export async function beginTotp({ trx }: Writer, enrolee: Enrolee, totp: TotpRow): Promise<boolean> {
  if ((await lockEnrolee(trx, enrolee)) === undefined) return false;
  await insertPendingTotp(trx, enrolee.username, totp);
  return true;
}

/** Ends the enrolment of a TOTP, which replaces an earlier one, with a code of time step `step`. */
export async function finishTotp(
  writer: Writer,
  enrolee: Enrolee,
  { id, step, name = NAMES.totp }: { id: bigint; step: number; name?: string | undefined },
  codes: NewRecoveryCodes,
): Promise<AddedFactor | "refused" | "not pending"> {
  const { trx } = writer;
  const locked = await lockEnrolee(trx, enrolee);
  if (locked === undefined) return "refused";
  if (!(await confirmTotp(trx, id, name, step))) return "not pending";
  const replaced = locked.factors.filter(({ type }) => type === "totp");
  await deleteFactors(trx, ids(replaced));
  await recordRemoved(writer, enrolee.username, replaced);
  return added(writer, locked, { id, type: "totp", name }, codes);
}

/** Begins the enrolment of a passkey; false if the account may not enrol. */
export async function beginPasskey(
  { trx }: Writer,
  enrolee: Enrolee,
  { hash, expiresAt, ip }: { readonly hash: Uint8Array; readonly expiresAt: Date; readonly ip: string },
): Promise<boolean> {
  const locked = await lockEnrolee(trx, enrolee);
  if (locked === undefined) return false;
  const { username, modified_at: accountModifiedAt } = locked.user;
  const row = {
    ip,
    vhost: "",
    client: null,
    amr: [],
    purpose: "passkey_enrolment",
    username,
    accountModifiedAt,
  } as const;
  await insertChallenge(trx, hash, row, expiresAt);
  return true;
}

/** Adds a passkey, and consumes the challenge of its enrolment. */
export async function addPasskey(
  writer: Writer,
  enrolee: Enrolee,
  factor: {
    readonly id: bigint;
    readonly name: string;
    readonly credentialHash: Uint8Array;
    readonly signCount: number;
    readonly passkey: StoredPasskey;
  },
  { challengeHash, codes }: { readonly challengeHash: Uint8Array; readonly codes: NewRecoveryCodes },
): Promise<AddedFactor | "refused" | "not pending" | "too many" | "taken"> {
  const { trx } = writer;
  const locked = await lockEnrolee(trx, enrolee);
  if (locked === undefined) return "refused";
  if (!(await deleteChallenge(trx, challengeHash))) return "not pending";
  if (locked.factors.filter(({ type }) => type === "passkey").length >= MAX_PASSKEYS) return "too many";
  try {
    await insertPasskey(trx, enrolee.username, factor);
  } catch (error) {
    if (isDuplicate(error)) return "taken";
    throw error;
  }
  return added(writer, locked, { id: factor.id, type: "passkey", name: factor.name }, codes);
}

/** Removes a factor of an account, and with the last one its recovery codes; false if it has none with this id. */
export async function removeFactor(writer: Writer, username: string, id: bigint): Promise<boolean> {
  await lockUser(writer.trx, username);
  const factors = await listFactors(writer.trx, username);
  const removed = factors.find((factor) => factor.id === id);
  if (removed === undefined) return false;
  const others = factors.filter((factor) => factor !== removed);
  // Alone, recovery codes would be asked for at each login until they are used up.
  const isLast = others.every(({ type }) => type === "recovery_codes");
  await remove(writer, username, isLast ? factors : [removed]);
  return true;
}

/** Removes all factors of an account, also one whose enrolment is not finished; returns the others. */
export async function removeAllFactors(writer: Writer, username: string): Promise<readonly FactorRow[]> {
  await lockUser(writer.trx, username);
  const factors = await listFactors(writer.trx, username);
  await remove(writer, username, factors);
  await deletePendingTotp(writer.trx, username);
  return factors;
}

/** Replaces the recovery codes of an account; false if it has no other factor. */
export async function renewRecoveryCodes(
  writer: Writer,
  username: string,
  codes: NewRecoveryCodes,
): Promise<boolean> {
  const { trx } = writer;
  await lockUser(trx, username);
  const factors = await listFactors(trx, username);
  if (factors.every(({ type }) => type === "recovery_codes")) return false;
  await deleteFactors(trx, ids(factors.filter(({ type }) => type === "recovery_codes")));
  await insertRecoveryCodes(trx, username, { ...codes, name: NAMES.recovery_codes });
  await record(writer, recoveryCodesRenewed(username, codes.id, codes.hashes.length));
  return true;
}

/** A verified answer to a challenge, which can be used once. */
export type FactorUse =
  | { readonly type: "totp"; readonly id: bigint; readonly step: number }
  | { readonly type: "passkey"; readonly row: PasskeyRow; readonly signCount: number }
  | { readonly type: "recovery_code"; readonly hash: Uint8Array };

/** Consumes a verified answer of an account; false if it was used or its factor is gone. The user must be locked. */
export async function useFactor(writer: Writer, username: string, use: FactorUse): Promise<boolean> {
  const { trx } = writer;
  if (use.type === "totp") return useTotpStep(trx, use.id, use.step);
  if (use.type === "passkey") return usePasskey(trx, use.row, use.signCount);
  const used = await useRecoveryCode(trx, username, use.hash);
  if (used === undefined) return false;
  await record(writer, recoveryCodeUsed(username, used.id, used.remaining));
  return true;
}

interface LockedEnrolee {
  readonly user: LockedUser;
  readonly factors: readonly FactorRow[];
}

/** Locks an account that may enrol; undefined if it may not. */
async function lockEnrolee(
  trx: Writer["trx"],
  { username, setupHash }: Enrolee,
): Promise<LockedEnrolee | undefined> {
  const user = await lockUser(trx, username);
  if (user?.activated !== 1 || user.auth_type === "SERVICE") return undefined;
  const factors = await listFactors(trx, username);
  if (setupHash !== undefined && (factors.length > 0 || !(await maySetUp(trx, user, setupHash))))
    return undefined;
  return { user, factors };
}

/** Whether a login has issued this challenge for a setup token, it was not used, and the account has not changed since. */
async function maySetUp(
  trx: Writer["trx"],
  { username, modified_at }: LockedUser,
  hash: Uint8Array,
): Promise<boolean> {
  const login = await findChallenge(trx, hash);
  return login?.purpose === "setup" && login.username === username && login.accountModifiedAt === modified_at;
}

async function added(
  writer: Writer,
  { user, factors }: LockedEnrolee,
  factor: Pick<FactorRow, "id" | "type" | "name">,
  codes: NewRecoveryCodes,
): Promise<AddedFactor> {
  const { username } = user;
  // Of all logins that wait for a factor: their setup tokens must stay useless when this factor is removed.
  await deleteChallengesOf(writer.trx, "setup", username);
  await record(writer, factorAdded(username, factor));
  const hasNewCodes = factors.length === 0;
  if (hasNewCodes) {
    const name = NAMES.recovery_codes;
    await insertRecoveryCodes(writer.trx, username, { ...codes, name });
    await record(writer, factorAdded(username, { id: codes.id, type: "recovery_codes", name }));
  }
  return { user, hasNewCodes };
}

async function remove(writer: Writer, username: string, factors: readonly FactorRow[]): Promise<void> {
  await deleteFactors(writer.trx, ids(factors));
  await recordRemoved(writer, username, factors);
}

async function recordRemoved(writer: Writer, username: string, factors: readonly FactorRow[]): Promise<void> {
  if (factors.length > 0) await record(writer, ...factors.map((factor) => factorRemoved(username, factor)));
}

function ids(factors: readonly FactorRow[]): bigint[] {
  return factors.map(({ id }) => id);
}
