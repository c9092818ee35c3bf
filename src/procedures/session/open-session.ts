import { z } from "zod";
import { startSession, type VerifiedLogin } from "../../accounts/sessions.ts";
import type { Writer } from "../../accounts/writer.ts";
import { listGroupsOf } from "../../db/queries/groups.ts";
import type { LockedUser } from "../../db/queries/users.ts";
import { AppError } from "../../errors.ts";
import type { Context } from "../../rpc/context.ts";
import type { IssuedIdToken, TokenIssuer } from "../../tokens/issuer.ts";
import { endAfter, expiryOf } from "./expiry.ts";

/** The claims of an ID token, as stored for an idempotent replay. */
export const issuedToken = z.object({
  token_id: z.string(),
  username: z.string(),
  groups: z.array(z.string()).optional(),
  ip: z.string(),
  issued_at: z.iso.datetime(),
  valid_until: z.iso.datetime(),
  signer_id: z.string().optional(),
  /** Absent if an earlier version has issued the token: it has neither `amr` nor `auth_time`. */
  amr: z.array(z.string()).optional(),
});

type StoredToken = z.output<typeof issuedToken>;

/** Where a login comes from. */
export interface SessionOrigin {
  readonly ip: string;
  readonly vhost: string;
  readonly client: string | null;
  /** How the user was authenticated (RFC 8176). */
  readonly amr: readonly string[];
}

/** The ID token of a new session. */
export interface SessionReply {
  readonly id_token: string;
  readonly expires_at: string;
  readonly expires_in: number;
}

/** The account changed between the check of the credentials and the start of the session. */
export class AccountChanged extends AppError {
  constructor() {
    super("INVALID_CREDENTIALS", "the account changed during the login");
  }
}

interface Verified extends VerifiedLogin {
  /** Runs under the account's lock, with its groups, before anything is written. */
  readonly beforeStart?: (account: LockedUser, groups: readonly string[]) => Promise<void>;
}

/**
 * Starts a session of verified credentials in a transaction: the reply, and what a replay needs to sign the same token.
 * Throws AccountChanged if the account has changed since the check, and TOKEN_TOO_LARGE.
 */
export async function openSession(
  { app, issuer, lastUse }: Pick<Context, "app" | "issuer" | "lastUse">,
  writer: Writer,
  { ip, vhost, client, amr }: SessionOrigin,
  { user, rehashed, beforeStart }: Verified,
): Promise<{ readonly reply: SessionReply; readonly stored: StoredToken }> {
  const { username, auth_type } = user;
  const now = new Date();
  const valid_until = endAfter(now, app.id_token_valid_time * 60);
  const validated_at = auth_type === "LDAP" ? now : null;
  const row = { ip, vhost, client, amr, valid_until, validated_at, created_at: now };
  let groups: string[] = [];
  const id = await startSession(
    writer,
    { user, rehashed },
    { ...row, sign_method: issuer.method },
    {
      limit: app.sessions_per_user,
      unwritten: (sid) => lastUse.unwritten({ sid }),
      async beforeStart(account) {
        // Under the lock: the account may have become a member of a group that needs a second factor.
        groups = await listGroupsOf(writer.trx, username);
        await beforeStart?.(account, groups);
      },
    },
  );
  if (id === "changed") throw new AccountChanged();
  const content = {
    token_id: id.toString(),
    username,
    ip,
    issued_at: now.toISOString(),
    valid_until: valid_until.toISOString(),
    signer_id: issuer.signerId,
    amr: [...amr],
  };
  // Sign before the commit: a session must not start if its token is too long.
  const { text, listsGroups } = sign(issuer, { ...content, groups });
  return {
    reply: { id_token: text, ...expiryOf(valid_until, now) },
    stored: listsGroups ? { ...content, groups } : content,
  };
}

/** Signs the same ID token again for a replay, even if its session has ended. */
export function recallSession(
  { issuer, notes }: Pick<Context, "issuer" | "notes">,
  stored: unknown,
): SessionReply {
  const issued = issuedToken.parse(stored);
  notes.user = issued.username;
  const expires = expiryOf(new Date(issued.valid_until), new Date(issued.issued_at));
  return { id_token: sign(issuer, issued).text, ...expires };
}

/** Signs an ID token; the same content always gives the same token. */
function sign(issuer: TokenIssuer, content: StoredToken): IssuedIdToken {
  const { token_id, username, groups, ip, issued_at, valid_until, signer_id, amr } = content;
  const issuedAt = new Date(issued_at);
  return issuer.signIdToken(
    { username, ...(groups === undefined ? {} : { groups }) },
    {
      tokenId: BigInt(token_id),
      ip,
      issuedAt,
      validUntil: new Date(valid_until),
      ...(amr === undefined ? {} : { amr, authTime: issuedAt }),
    },
    signer_id,
  );
}
