import type { ConsumeMessage } from "amqplib";
import { sql } from "kysely";
import type { Database } from "../../src/db/database.ts";

const SECRET_FIELDS = [
  "password",
  "password_confirm",
  "id_token",
  "api_key",
  "access_token",
  "broker_token",
  "token",
  "kerberos_ticket",
  "reset_token",
  "verify_token",
  "setup_token",
  "challenge",
  "secret",
  "recovery_code",
];

/** Shorter texts may occur in a log or a reply by chance. */
const SHORTEST_SECRET = 8;

/**
 * The content that an attacker may not change without authorization: users, tokens, API keys, second factors, groups and memberships.
 * Each table is one text, because it is read before and after each attack.
 */
export async function rowsOf(db: Database): Promise<unknown> {
  const all = (...columns: readonly string[]) => {
    // In hex, because names of users and of groups have different collations in MySQL.
    const refs = sql.join(columns.map((column) => sql`hex(${sql.ref(column)})`));
    return sql<string | null>`group_concat(concat_ws(${"|"}, ${refs}) order by ${refs})`.as("rows");
  };
  const user = all("username", "auth_type", "email", "activated", "created_at", "modified_at", "hash");
  // Without last_use, which is written after the reply of earlier requests. test/auth/sessions.test.ts checks it.
  const token = all("user_id", "token_id", "ip", "valid_until", "sign_method", "vhost");
  const hashed = db.selectFrom("user").selectAll().select(sql`hex(password_hash)`.as("hash")).as("user");
  return Promise.all([
    db.selectFrom(hashed).select(user).executeTakeFirst(),
    db.selectFrom("token").select(token).executeTakeFirst(),
    db
      .selectFrom("api_key")
      .select(all("user_id", "api_key_id", "name", "expires_at"))
      .executeTakeFirst(),
    db
      .selectFrom("factor")
      .select(all("user_id", "factor_id", "type", "name", "confirmed_at", "secret", "last_step"))
      .executeTakeFirst(),
    db.selectFrom("recovery_code").select(all("factor_id", "code_hash")).executeTakeFirst(),
    db.selectFrom("group").select(all("name")).executeTakeFirst(),
    db.selectFrom("usergroup").select(all("username", "groupname")).executeTakeFirst(),
  ]);
}

/** The passwords and tokens in a request or a reply. */
export function secretsIn(message: unknown): string[] {
  if (typeof message !== "object" || message === null) return [];
  return Object.entries(message)
    .filter(([name, value]) => isSecret(name, value))
    .map(([, value]) => String(value));
}

function isSecret(name: string, value: unknown): boolean {
  return SECRET_FIELDS.includes(name) && typeof value === "string" && value.length >= SHORTEST_SECRET;
}

/** The properties of a reply that its sender has set, without its timestamp. */
export function propertiesOf({ properties }: ConsumeMessage): Record<string, unknown> {
  const set = Object.entries(properties).filter(
    ([name, value]) => value !== undefined && name !== "timestamp",
  );
  return Object.fromEntries(set);
}
