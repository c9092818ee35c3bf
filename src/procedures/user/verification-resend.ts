import { z } from "zod";
import { resendVerification as resend } from "../../accounts/verification.ts";
import { findUser, findUserByEmail } from "../../db/queries/users.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { addressee } from "./addressee.ts";

const REPLY = {
  success: true as const,
  msg: "where there is such an account and its address is not proven, a message is on its way to it",
};

export const resendVerification = defineProcedure({
  name: "user_verification_resend",
  description:
    "Sends the token that proves an account's address again; the answer does not tell whether there is an account.",
  access: "public",
  remembersAnswer: true,
  input: addressee,
  output: z.object({ success: z.literal(true), msg: z.string() }),
  example: { request: { email: "alice@example.com" }, reply: REPLY },
  async handler(context, given) {
    const { commit, db } = context;
    const typed = given.username ?? given.email ?? "";
    const found = await (given.username === undefined ? findUserByEmail(db, typed) : findUser(db, typed));
    return commit(async (writer) => {
      await resend(writer, found?.username, typed, context);
      return REPLY;
    });
  },
});
