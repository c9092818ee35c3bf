import { z } from "zod";
import { requestPasswordReset } from "../../accounts/password-reset.ts";
import { findUser, findUserByEmail } from "../../db/queries/users.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { addressee } from "./addressee.ts";

export const forgotPassword = defineProcedure({
  name: "user_password_forgot",
  description:
    "Has a token for a new password sent to the address of an account; the answer does not tell whether there is one.",
  access: "public",
  remembersAnswer: true,
  input: addressee,
  output: z.object({ success: z.literal(true), msg: z.string() }),
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
