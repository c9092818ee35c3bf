import { z } from "zod";
import { createAccount } from "../../accounts/create.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import {
  containsUsername,
  email,
  newPassword,
  omitsUsername,
  passwordConfirm,
  passwordMismatch,
  passwordsMatch,
  successReply,
  username,
} from "../fields.ts";

export const userRegister = defineProcedure({
  name: "user_register",
  key: "user_workflow_register_user",
  namespace: "user",
  method: "register",
  description: "Creates an account for the caller, if registration is open.",
  access: "public",
  remembersAnswer: true,
  hashes: true,
  errors: ["REGISTRATION_CLOSED", "USERNAME_TAKEN", "EMAIL_TAKEN"],
  input: (app) =>
    z
      .object({
        username: username(app),
        password: newPassword(app),
        password_confirm: passwordConfirm(),
        email: email(app),
      })
      .refine(passwordsMatch, passwordMismatch)
      .refine(omitsUsername, containsUsername),
  output: z.object(successReply),
  example: {
    request: {
      username: "alice",
      password: "nine lanterns at dusk",
      password_confirm: "nine lanterns at dusk",
      email: "alice@example.com",
    },
    reply: { success: true, msg: "registered user alice" },
  },
  async handler(context, input) {
    const { app, commit, fingerprints, passwords, isCancelled } = context;
    if (!app.allow_registration) throw new AppError("REGISTRATION_CLOSED");
    const user = {
      username: input.username,
      password_hash: await passwords.hash(input.password, isCancelled),
      auth_type: "LOCAL" as const,
      email: input.email,
      activated: app.auto_activate_accounts,
    };
    return commit(async (writer) => {
      const outcome = await createAccount(writer, user, { app, fingerprints });
      if (outcome !== "created")
        throw new AppError(outcome === "username taken" ? "USERNAME_TAKEN" : "EMAIL_TAKEN");
      return { success: true as const, msg: `registered user ${user.username}` };
    });
  },
});
