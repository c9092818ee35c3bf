import { z } from "zod";
import { resendVerification } from "../../accounts/verification.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { successReply } from "../fields.ts";
import { findAddressee, usernameOrEmail } from "../username-or-email.ts";

const REPLY = {
  success: true as const,
  msg: "if the account exists and its address is not verified, an email is on its way to it",
};

export const userVerificationResend = defineProcedure({
  name: "user_verification_resend",
  key: "user_workflow_resend_verification",
  namespace: "user",
  method: "resendVerification",
  description:
    "Requests another email with a verification token; the reply does not reveal whether the account exists.",
  access: "public",
  remembersAnswer: true,
  input: usernameOrEmail,
  output: z.object(successReply),
  example: { request: { email: "alice@example.com" }, reply: REPLY },
  async handler(context, given) {
    const { found, typed } = await findAddressee(context.db, given);
    return context.commit(async (writer) => {
      await resendVerification(writer, found, typed, context);
      return REPLY;
    });
  },
});
