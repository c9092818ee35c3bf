import { z } from "zod";
import { changeAccount } from "../../accounts/change.ts";
import { AppError, type ErrorCode } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import {
  alwaysChecked,
  containsUsername,
  email,
  newPassword,
  omitsUsername,
  successReply,
  username,
} from "../fields.ts";
import { requireAccount } from "../load-account.ts";

const FAILURES = {
  "no such user": "USER_NOT_FOUND",
  "email taken": "EMAIL_TAKEN",
  "last admin": "LAST_ADMIN",
} as const satisfies Record<string, ErrorCode>;

export const userChange = defineProcedure({
  name: "user_change",
  key: "user_workflow_change_user",
  namespace: "user",
  method: "change",
  description:
    "Changes a user's password, email or activation in one transaction; a new password revokes the session.",
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
        activated: z
          .boolean("must be true or false")
          .optional()
          .describe("whether the user may log in; only admins may set it"),
      })
      .refine(
        ({ password, email: address, activated }) =>
          [password, address, activated].some((v) => v !== undefined),
        {
          error: "give at least one of password, email and activated",
          ...alwaysChecked,
        },
      )
      .refine(omitsUsername, containsUsername),
  output: z.object(successReply),
  example: {
    request: { username: "alice", email: "alice@example.org" },
    reply: { success: true, msg: "changed user alice" },
  },
  async handler(context, { password, email: address, activated }) {
    const { app, caller, commit, fingerprints, passwords, isCancelled } = context;
    if (activated !== undefined && !caller.isAdmin)
      throw new AppError("FORBIDDEN", "only an admin may set activated");
    const user = requireAccount(context.account);
    if (user.auth_type !== "LOCAL" && (password !== undefined || address !== undefined))
      throw new AppError("NOT_LOCAL");
    const password_hash = password === undefined ? undefined : await passwords.hash(password, isCancelled);
    const rules = { adminGroup: app.admin_group, messages: { app, fingerprints } };
    return commit(async (writer) => {
      const changes = { password_hash, email: address, activated };
      const outcome = await changeAccount(writer, user, changes, rules);
      if (outcome !== "changed" && outcome !== "unchanged") throw new AppError(FAILURES[outcome]);
      return { success: true as const, msg: `changed user ${user.username}` };
    });
  },
});
