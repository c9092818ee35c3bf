import { z } from "zod";
import { requestPasswordReset } from "../../accounts/password-reset.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { successReply } from "../fields.ts";
import { findAddressee, usernameOrEmail } from "../username-or-email.ts";

const REPLY = {
  success: true as const,
  msg: "if the account exists, an email is on its way to its address",
};

export const userPasswordForgot = defineProcedure({
  name: "user_password_forgot",
  key: "user_workflow_forgot_password",
  namespace: "user",
  method: "forgotPassword",
  description: "Requests a password reset email; the reply does not reveal whether the account exists.",
  access: "public",
  remembersAnswer: true,
  input: usernameOrEmail,
  output: z.object(successReply),
  example: { request: { email: "alice@example.com" }, reply: REPLY },
  async handler(context, given) {
    const { found, typed } = await findAddressee(context.db, given);
    return context.commit(async (writer) => {
      await requestPasswordReset(writer, found, typed, context);
      return REPLY;
    });
  },
});
