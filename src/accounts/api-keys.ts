import { deleteApiKey, insertApiKey, listApiKeysOf, type NewApiKey } from "../db/queries/api-keys.ts";
import { lockUser, type UserRef } from "../db/queries/users.ts";
import { apiKeyCreated, apiKeyRevoked } from "./events.ts";
import { record, type Writer } from "./writer.ts";

/** How many unexpired API keys an account may have. */
const MAX_KEYS = 20;

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
