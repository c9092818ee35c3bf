import { z } from "zod";
import { requestPasswordReset } from "../../accounts/password-reset.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { done } from "../fields.ts";
import { findAddressee, usernameOrEmail } from "../username-or-email.ts";

const REPLY = {
  success: true as const,
  msg: "where there is such an account, a message is on its way to its address",
};

export const userPasswordForgot = defineProcedure({
  name: "user_password_forgot",
  key: "user_workflow_forgot_password",
  namespace: "user",
  method: "forgotPassword",
  description:
    "Sends a password reset token to an account's address; the reply does not tell whether the account exists.",
  access: "public",
  remembersAnswer: true,
  input: usernameOrEmail,
  output: z.object(done),
  example: { request: { email: "alice@example.com" }, reply: REPLY },
  async handler(context, given) {
    const { found, typed } = await findAddressee(context.db, given);
    return context.commit(async (writer) => {
      await requestPasswordReset(writer, found, typed, context);
      return REPLY;
    });
  },
});
