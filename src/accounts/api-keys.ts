import { deleteApiKey, insertApiKey, listApiKeysOf, type NewApiKey } from "../db/queries/api-keys.ts";
import { lockUser, type UserRef } from "../db/queries/users.ts";
import { createRowId } from "../db/row-id.ts";
import { digestOfApiKey } from "../tokens/api-key.ts";
import { apiKeyCreated, apiKeyRevoked } from "./events.ts";
import { record, type Writer } from "./writer.ts";

/** How many unexpired API keys an account may have. */
const MAX_KEYS = 20;

/** What an administrator decides about an API key. */
interface KeyRules {
  readonly name: string;
  /** Only these of the account's groups; by default all. */
  readonly groups?: readonly string[] | undefined;
  readonly vhost: string;
  /** Lifetime in seconds; by default it never expires. */
  readonly expires_in?: number | undefined;
}

/** The row of an API key, with a new id; it has the digest of the key alone. */
export function newApiKey(text: string, { name, groups, vhost, expires_in }: KeyRules): NewApiKey {
  const created_at = new Date();
  return {
    id: createRowId(),
    key_hash: Buffer.from(digestOfApiKey(text), "hex"),
    name,
    groups: groups === undefined ? null : [...new Set(groups)],
    vhost,
    created_at,
    expires_at: expires_in === undefined ? null : new Date(created_at.getTime() + expires_in * 1000),
  };
}

/** Adds an API key to an account, and deletes the account's expired ones. */
export async function createApiKey(
  writer: Writer,
  { username, created_at }: UserRef,
  key: NewApiKey,
): Promise<"created" | "no such user" | "too many"> {
  const { trx } = writer;
  // The lock makes the limit hold for concurrent requests.
  const current = await lockUser(trx, username);
  if (current?.created_at !== created_at) return "no such user";
  const keys = await listApiKeysOf(trx, username);
  const isExpired = ({ expires_at }: { expires_at: Date | null }): boolean =>
    expires_at !== null && expires_at.getTime() <= Date.now();
  const expired = keys.filter(isExpired);
  if (keys.length - expired.length >= MAX_KEYS) return "too many";
  for (const { id } of expired) await deleteApiKey(trx, username, id);
  await insertApiKey(trx, username, key);
  await record(writer, apiKeyCreated(username, key.id, key.name));
  return "created";
}

/** Revokes an API key of an account; false if the account has none with this id. `username` in its stored spelling. */
export async function revokeApiKey(writer: Writer, username: string, id: bigint): Promise<boolean> {
  const key = await deleteApiKey(writer.trx, username, id);
  if (key === undefined) return false;
  await record(writer, apiKeyRevoked(username, id, key.name));
  return true;
}
