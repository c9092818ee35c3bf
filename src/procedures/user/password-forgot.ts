import { z } from "zod";
import { requestPasswordReset } from "../../accounts/password-reset.ts";
import { findUser, findUserByEmail } from "../../db/queries/users.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { done } from "../fields.ts";
import { usernameOrEmail } from "../username-or-email.ts";

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
  example: {
    request: { email: "alice@example.com" },
    reply: {
      success: true,
      msg: "where there is such an account, a message is on its way to its address",
    },
  },
  async handler(context, given) {
    const { commit, db } = context;
    const typed = given.username ?? given.email ?? "";
    const found = await (given.username === undefined ? findUserByEmail(db, typed) : findUser(db, typed));
    return commit(async (writer) => {
      await requestPasswordReset(writer, found?.username, typed, context);
      return REPLY;
    });
  },
});

const REPLY = {
  success: true as const,
  msg: "where there is such an account, a message is on its way to its address",
};
