import { z } from "zod";
import { recordPrivately } from "../../db/queries/events.ts";
import { findUser, findUserByEmail, lockUser } from "../../db/queries/users.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { addressee } from "./addressee.ts";
import { isTooManyVerifications, issueOneTimeToken } from "./one-time.ts";

const REPLY = {
  success: true as const,
  msg: "where there is such an account and its address is not proven, a message is on its way to it",
};

export const resendVerification = defineProcedure({
  name: "user_verification_resend",
  description:
    "Sends the token that proves an account's address again; the answer does not tell whether there is an account.",
  access: "public",
  remembersAnswer: true,
  input: addressee,
  output: z.object({ success: z.literal(true), msg: z.string() }),
  example: { request: { email: "alice@example.com" }, reply: REPLY },
  async handler(context, given) {
    const { app, commit, db, emit } = context;
    const typed = given.username ?? given.email ?? "";
    const found = await (given.username === undefined ? findUserByEmail(db, typed) : findUser(db, typed));
    // The same statements, whatever there is: neither the answer nor its time tells.
    return commit(async (trx) => {
      const user = await lockUser(trx, found?.username ?? "");
      // An account that nobody has changed since it was registered waits for its proof; an administrator may have
      // deactivated any other.
      const isWaiting = user?.activated === 1 || user?.modified_at === user?.created_at;
      const mayVerify = user?.auth_type === "LOCAL" && user.email_verified_at === null && isWaiting;
      const isTooMany = await isTooManyVerifications(trx, user?.username ?? typed);
      const to = mayVerify && !isTooMany && user.email !== null ? user : undefined;
      const { id, expiresAt } = await issueOneTimeToken(context, trx, {
        purpose: "email_verification",
        account: to?.username ?? "",
        username: to?.username ?? null,
        email: to?.email ?? null,
        lifetime: app.email_verification_valid_time,
      });
      const data = { expires_at: expiresAt.toISOString() };
      const event = { id, type: "user.verification_requested", username: to?.username ?? null } as const;
      if (to === undefined)
        await recordPrivately(trx, { ...event, actor: null, data: { ...data, refused: true } });
      else await emit(trx, { ...event, data: { ...data, email: to.email } });
      return REPLY;
    });
  },
});
