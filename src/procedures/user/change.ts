import { z } from "zod";
import { isSameName } from "../../db/names.ts";
import { changeUser as changeRow, lockUser } from "../../db/queries/users.ts";
import { AppError, type ErrorCode } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { email, hidesUsername, newPassword, revealsUsername, together, username } from "../fields.ts";
import { requestVerification } from "./one-time.ts";
import { getTargetRow } from "./target.ts";

const FAILURES = {
  "no such user": "USER_NOT_FOUND",
  "email taken": "EMAIL_TAKEN",
  "last admin": "LAST_ADMIN",
} as const satisfies Record<string, ErrorCode>;

export const changeUser = defineProcedure({
  name: "user_change",
  description:
    "Changes password, email or activation, all of what is given or nothing; a new password ends the session.",
  access: "self",
  remembersAnswer: true,
  hashes: true,
  errors: ["NOT_LOCAL", "ACCOUNT_NOT_ACTIVATED", "USER_NOT_FOUND", "EMAIL_TAKEN", "LAST_ADMIN"],
  input: (app) =>
    z
      .object({
        username: username(app),
        password: newPassword(app).optional(),
        email: email(app).optional(),
        activated: z.boolean("must be true or false").optional(),
      })
      .refine(
        ({ password, email: address, activated }) =>
          [password, address, activated].some((v) => v !== undefined),
        {
          error: "give at least one of password, email and activated",
          ...together,
        },
      )
      .refine(hidesUsername, revealsUsername),
  output: z.object({ success: z.literal(true), msg: z.string() }),
  example: {
    request: { username: "alice", email: "alice@example.org" },
    reply: { success: true, msg: "changed user alice" },
  },
  async handler(context, { username: target, password, email: address, activated }) {
    const { app, caller, commit, emit, passwords, stillWanted } = context;
    if (activated !== undefined && !caller.isAdmin)
      throw new AppError("FORBIDDEN", "only an admin sets activated");
    const user = await getTargetRow(context, target);
    if (user.auth_type !== "LOCAL" && (password !== undefined || address !== undefined))
      throw new AppError("NOT_LOCAL");
    const password_hash = password === undefined ? undefined : await passwords.hash(password, stillWanted);
    return commit(async (trx) => {
      const { username: name } = user;
      const success = { success: true as const, msg: `changed user ${name}` };
      // As it is now: another request may have changed it since.
      const current = address === undefined ? undefined : ((await lockUser(trx, name))?.email ?? null);
      const newEmail = address === current ? undefined : address;
      if (newEmail === undefined && password_hash === undefined && activated === undefined) return success;
      // Another spelling of the same address stays as proven as it was.
      const isOther = newEmail !== undefined && !(current != null && isSameName(newEmail, current));
      const changes = {
        ...(password_hash === undefined ? {} : { password_hash }),
        ...(newEmail === undefined ? {} : { email: newEmail }),
        ...(isOther ? { email_verified_at: null } : {}),
        ...(activated === undefined ? {} : { activated }),
      };
      const outcome = await changeRow(trx, user, changes, app.admin_group);
      if (outcome !== "changed" && outcome !== "session ended") throw new AppError(FAILURES[outcome]);
      const told = {
        ...(newEmail === undefined ? {} : { email: newEmail }),
        ...(activated === undefined ? {} : { activated }),
      };
      const changed = [...Object.keys(told), ...(password === undefined ? [] : ["password"])];
      const previous = isOther && current != null ? { previous_email: current } : {};
      await emit(trx, { type: "user.changed", username: name, data: { changed, ...told, ...previous } });
      if (outcome === "session ended") {
        const reason = password === undefined ? "activated" : "password";
        await emit(trx, { type: "session.revoked", username: name, data: { reason } });
      }
      // As it is now: turned off while the password was hashed, an account could activate itself with what it is sent.
      if (isOther && (await lockUser(trx, name))?.activated === 1)
        await requestVerification(context, trx, { username: name, email: newEmail });
      return success;
    });
  },
});
