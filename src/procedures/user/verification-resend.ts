import { z } from "zod";
import { resendVerification } from "../../accounts/verification.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { done } from "../fields.ts";
import { findAddressee, usernameOrEmail } from "../username-or-email.ts";

const REPLY = {
  success: true as const,
  msg: "where there is such an account and its address is not proven, a message is on its way to it",
};

export const userVerificationResend = defineProcedure({
  name: "user_verification_resend",
  key: "user_workflow_resend_verification",
  namespace: "user",
  method: "resendVerification",
  description:
    "Sends the token that verifies an address again; the reply does not tell whether the account exists.",
  access: "public",
  remembersAnswer: true,
  input: usernameOrEmail,
  output: z.object(done),
  example: { request: { email: "alice@example.com" }, reply: REPLY },
  async handler(context, given) {
    const { found, typed } = await findAddressee(context.db, given);
    return context.commit(async (writer) => {
      await resendVerification(writer, found, typed, context);
      return REPLY;
    });
  },
});
