import { z } from "zod";
import { resetPassword } from "../../accounts/password-reset.ts";
import { listFactors } from "../../db/queries/factors.ts";
import { findHolder } from "../../db/queries/one-time-tokens.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { digestOfOneTimeToken } from "../../tokens/one-time.ts";
import {
  containsUsername,
  newPassword,
  omitsUsername,
  oneTimeToken,
  passwordConfirm,
  passwordMismatch,
  passwordsMatch,
  successReply,
} from "../fields.ts";

export const userPasswordReset = defineProcedure({
  name: "user_password_reset",
  key: "user_workflow_reset_password",
  namespace: "user",
  method: "resetPassword",
  description:
    "Sets a new password with a reset token; revokes the sessions, and clears failed logins unless the account has a " +
    "second factor.",
  access: "public",
  remembersAnswer: true,
  hashes: true,
  errors: ["INVALID_TOKEN"],
  input: (app) =>
    z
      .object({
        reset_token: oneTimeToken(),
        password: newPassword(app),
        password_confirm: passwordConfirm(),
      })
      .refine(passwordsMatch, passwordMismatch),
  output: z.object(successReply),
  example: {
    request: {
      reset_token: "<token from the email>",
      password: "seven lanterns at dawn",
      password_confirm: "seven lanterns at dawn",
    },
    reply: { success: true, msg: "changed the password of alice" },
  },
  async handler(context, { reset_token, password: secret }) {
    const { app, commit, db, lookups, notes, passwords, isCancelled, throttle } = context;
    const digest = digestOfOneTimeToken(reset_token);
    const holder = await findHolder(db, "password_reset", digest);
    const user = holder && (await lookups.account(holder.username));
    if (user?.auth_type !== "LOCAL" || user.activated !== 1)
      throw new AppError("INVALID_TOKEN", "no such reset token");
    const { username } = user;
    notes.user = username;
    if (!omitsUsername({ username, password: secret })) {
      const fields = [{ path: "password", msg: containsUsername.error }];
      throw new AppError("INVALID_INPUT", undefined, { fields });
    }
    const password_hash = await passwords.hash(secret, isCancelled);
    return commit(async (writer) => {
      const outcome = await resetPassword(writer, user, { digest, password_hash }, app.admin_group);
      if (outcome === "used meanwhile")
        throw new AppError("INVALID_TOKEN", "another request used the reset token");
      if (outcome === "changed meanwhile")
        throw new AppError("INVALID_TOKEN", "the account changed during the request");
      // The failures may be wrong codes: a reset must not give a reader of the mailbox new attempts.
      const hasFactor = app.second_factor !== "off" && (await listFactors(writer.trx, username)).length > 0;
      if (!hasFactor) await throttle.unlock(writer, username);
      return { success: true as const, msg: `changed the password of ${username}` };
    });
  },
});
