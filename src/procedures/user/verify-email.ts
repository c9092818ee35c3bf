import { z } from "zod";
import { verifyAddress } from "../../accounts/verification.ts";
import { findHolder } from "../../db/queries/one-time-tokens.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { digestOfOneTimeToken } from "../../tokens/one-time.ts";
import { oneTimeToken, successReply } from "../fields.ts";

export const userVerifyEmail = defineProcedure({
  name: "user_verify_email",
  key: "user_workflow_verify_email",
  namespace: "user",
  method: "verifyEmail",
  description: "Verifies an email address with the token from the verification email.",
  access: "public",
  remembersAnswer: true,
  errors: ["INVALID_TOKEN"],
  input: () => z.object({ verify_token: oneTimeToken() }),
  output: z.object(successReply),
  example: {
    request: { verify_token: "<token from the email>" },
    reply: { success: true, msg: "verified the address of alice" },
  },
  async handler({ app, commit, db, notes }, { verify_token }) {
    const digest = digestOfOneTimeToken(verify_token);
    const holder = await findHolder(db, "email_verification", digest);
    if (holder === undefined) throw new AppError("INVALID_TOKEN", "no such verification token");
    const { username } = holder;
    notes.user = username;
    return commit(async (writer) => {
      const outcome = await verifyAddress(writer, holder, digest, app.verification_activates);
      if (outcome === "used meanwhile")
        throw new AppError("INVALID_TOKEN", "another request used the verification token");
      if (outcome === "changed meanwhile")
        throw new AppError("INVALID_TOKEN", "the address changed during the request");
      return { success: true as const, msg: `verified the address of ${username}` };
    });
  },
});
