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
import { assertNoOwnKey, requireAccount } from "../load-account.ts";

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
    "Changes a user's password, email or activation in one transaction; a new password revokes the sessions.",
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
        keep_session: z
          .boolean("must be true or false")
          .optional()
          .describe("whether a new password keeps the session of the access token; all others are revoked"),
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
  needsRecentLogin: ({ password, email: address }, { isOwn }) =>
    isOwn && (password !== undefined || address !== undefined),
  async handler(context, { password, email: address, activated, keep_session }) {
    const { app, caller, commit, fingerprints, passwords, isCancelled } = context;
    if (activated !== undefined && !caller.isAdmin)
      throw new AppError("FORBIDDEN", "only an admin may set activated");
    const user = requireAccount(context.account);
    const changesCredentials = password !== undefined || address !== undefined;
    if (changesCredentials) assertNoOwnKey(caller, user);
    const isRemote = user.auth_type === "LDAP" || user.auth_type === "KERBEROS";
    if ((password !== undefined && user.auth_type !== "LOCAL") || (address !== undefined && isRemote))
      throw new AppError("NOT_LOCAL");
    const password_hash = password === undefined ? undefined : await passwords.hash(password, isCancelled);
    const { grant } = caller;
    const keepSession =
      keep_session === true && grant !== undefined && "sid" in grant ? grant.sid : undefined;
    const rules = { adminGroup: app.admin_group, messages: { app, fingerprints }, keepSession };
    return commit(async (writer) => {
      const changes = { password_hash, email: address, activated };
      const outcome = await changeAccount(writer, user, changes, rules);
      if (outcome !== "changed" && outcome !== "unchanged") throw new AppError(FAILURES[outcome]);
      return { success: true as const, msg: `changed user ${user.username}` };
    });
  },
});
