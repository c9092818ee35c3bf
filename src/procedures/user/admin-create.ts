import { z } from "zod";
import { createAccount } from "../../accounts/create.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import {
  alwaysChecked,
  authType,
  containsUsername,
  email,
  newPassword,
  omitsUsername,
  successReply,
  username,
} from "../fields.ts";

interface Given {
  readonly auth_type?: unknown;
  readonly password?: unknown;
  readonly email?: unknown;
}

const isLocal = ({ auth_type }: Given): boolean => auth_type === undefined || auth_type === "LOCAL";
const hasNoPassword = ({ auth_type }: Given): boolean =>
  auth_type === "LDAP" || auth_type === "KERBEROS" || auth_type === "SERVICE";
const hasEmail = ({ auth_type, email: address }: Given): boolean =>
  address !== undefined || auth_type === "SERVICE";

export const userAdminCreate = defineProcedure({
  name: "user_admin_create",
  key: "user_workflow_admin_create_user",
  namespace: "user",
  method: "adminCreate",
  description: "Creates an activated account, of a user or of a service, even if registration is closed.",
  access: "admin",
  remembersAnswer: true,
  hashes: true,
  errors: ["USERNAME_TAKEN", "EMAIL_TAKEN"],
  input: (app) =>
    z
      .object({
        username: username(app),
        password: newPassword(app).optional().describe("required for LOCAL accounts, not allowed for others"),
        email: email(app).optional().describe("email address; required unless auth_type is SERVICE"),
        auth_type: authType().default("LOCAL"),
      })
      .refine((given) => !isLocal(given) || given.password !== undefined, {
        path: ["password"],
        error: "is missing",
        ...alwaysChecked,
      })
      .refine((given) => !hasNoPassword(given) || given.password === undefined, {
        path: ["password"],
        error:
          "must be omitted: the directory or KDC verifies this user's password, and a service has API keys instead",
        ...alwaysChecked,
      })
      .refine(hasEmail, { path: ["email"], error: "is missing", ...alwaysChecked })
      .refine(omitsUsername, containsUsername),
  output: z.object(successReply),
  example: {
    request: { username: "alice", password: "nine lanterns at dusk", email: "alice@example.com" },
    reply: { success: true, msg: "created user alice" },
  },
  async handler(context, input) {
    const { app, commit, fingerprints, passwords, isCancelled } = context;
    const { password } = input;
    const user = {
      username: input.username,
      password_hash: password === undefined ? null : await passwords.hash(password, isCancelled),
      auth_type: input.auth_type,
      email: input.email ?? null,
      activated: true,
    };
    return commit(async (writer) => {
      const outcome = await createAccount(writer, user, { app, fingerprints });
      if (outcome !== "created")
        throw new AppError(outcome === "username taken" ? "USERNAME_TAKEN" : "EMAIL_TAKEN");
      return { success: true as const, msg: `created user ${user.username}` };
    });
  },
});
