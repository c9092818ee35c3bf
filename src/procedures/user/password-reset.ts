import { z } from "zod";
import { findHolder, useOneTimeToken } from "../../db/queries/one-time-tokens.ts";
import { changeUser, lockUser } from "../../db/queries/users.ts";
import { toSqlTime } from "../../db/time.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { digestOfOneTimeToken } from "../../tokens/one-time.ts";
import {
  confirmed,
  hidesUsername,
  isConfirmed,
  newPassword,
  passwordConfirm,
  revealsUsername,
} from "../fields.ts";
import { sentToken } from "./one-time.ts";

export const resetPassword = defineProcedure({
  name: "user_password_reset",
  description: "Sets a new password with a token that was sent; ends the session and lets the user in again.",
  access: "public",
  remembersAnswer: true,
  hashes: true,
  errors: ["INVALID_TOKEN"],
  input: (app) =>
    z
      .object({ reset_token: sentToken(), password: newPassword(app), password_confirm: passwordConfirm() })
      .refine(isConfirmed, confirmed),
  output: z.object({ success: z.literal(true), msg: z.string() }),
  example: {
    request: {
      reset_token: "the token from the message",
      password: "seven lanterns at dawn",
      password_confirm: "seven lanterns at dawn",
    },
    reply: { success: true, msg: "changed the password of alice" },
  },
  async handler(context, { reset_token, password: secret }) {
    const { app, commit, db, emit, lookups, notes, passwords, stillWanted, throttle } = context;
    const digest = digestOfOneTimeToken(reset_token);
    const holder = await findHolder(db, "password_reset", digest);
    const user = holder && (await lookups.account(holder.username));
    if (user?.auth_type !== "LOCAL" || user.activated !== 1)
      throw new AppError("INVALID_TOKEN", "no such reset token");
    const { username } = user;
    notes.user = username;
    if (!hidesUsername({ username, password: secret })) {
      const fields = [{ path: "password", msg: revealsUsername.error }];
      throw new AppError("INVALID_INPUT", undefined, { fields });
    }
    const password_hash = await passwords.hash(secret, stillWanted);
    return commit(async (trx) => {
      // The user before the token, as everywhere.
      await lockUser(trx, username);
      if (!(await useOneTimeToken(trx, "password_reset", digest)))
        throw new AppError("INVALID_TOKEN", "the reset token was used meanwhile");
      // Who has the token reads what is sent to the address.
      const changes = { password_hash, email_verified_at: toSqlTime(new Date()) };
      const outcome = await changeUser(trx, user, changes, app.admin_group);
      if (outcome !== "changed" && outcome !== "session ended")
        throw new AppError("INVALID_TOKEN", "the account changed meanwhile");
      await throttle.unlock(trx, username);
      await emit(trx, { type: "user.changed", username, data: { changed: ["password"], reset: true } });
      if (outcome === "session ended")
        await emit(trx, { type: "session.revoked", username, data: { reason: "password" } });
      return { success: true as const, msg: `changed the password of ${username}` };
    });
  },
});
