import { z } from "zod";
import { recordPrivately } from "../../db/queries/events.ts";
import { countOneTimeTokens } from "../../db/queries/one-time-tokens.ts";
import { findUser, findUserByEmail, lockUser } from "../../db/queries/users.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { addressee } from "./addressee.ts";
import { accountKeyOf, issueOneTimeToken } from "./one-time.ts";

/** Messages to one account until the first of their tokens expires: more would be a nuisance. */
const MAX_TOKENS = 5;

export const forgotPassword = defineProcedure({
  name: "user_password_forgot",
  description:
    "Has a token for a new password sent to the address of an account; the answer does not tell whether there is one.",
  access: "public",
  remembersAnswer: true,
  input: addressee,
  output: z.object({ success: z.literal(true), msg: z.string() }),
  example: {
    request: { email: "alice@example.com" },
    reply: {
      success: true,
      msg: "where there is such an account, a message is on its way to its address",
    },
  },
  async handler(context, given) {
    const { app, commit, db, emit } = context;
    const typed = given.username ?? given.email ?? "";
    const found = await (given.username === undefined ? findUserByEmail(db, typed) : findUser(db, typed));
    // The same statements, whether there is such an account or not, and has five already: the time tells nothing either.
    return commit(async (trx) => {
      // As it is now: it may have been deleted, or have another address, since it was found.
      const user = await lockUser(trx, found?.username ?? "");
      const mayReset = user?.auth_type === "LOCAL" && user.activated === 1 ? user : undefined;
      const account = mayReset?.username ?? typed;
      const isTooMany = (await countOneTimeTokens(trx, accountKeyOf(context, account))) >= MAX_TOKENS;
      const to = isTooMany ? undefined : mayReset;
      const { id, expiresAt } = await issueOneTimeToken(context, trx, {
        purpose: "password_reset",
        // Nobody's: what is too much does not keep the account waiting for longer.
        account: isTooMany ? "" : account,
        username: to?.username ?? null,
        email: to?.email ?? null,
        lifetime: app.password_reset_valid_time,
      });
      const about = isTooMany ? null : (user?.username ?? null);
      const event = { id, type: "password.reset_requested", username: about } as const;
      const data = { expires_at: expiresAt.toISOString() };
      if (to === undefined)
        await recordPrivately(trx, { ...event, actor: null, data: { ...data, refused: true } });
      else await emit(trx, { ...event, data: { ...data, email: to.email } });
      return REPLY;
    });
  },
});

const REPLY = {
  success: true as const,
  msg: "where there is such an account, a message is on its way to its address",
};
