import { z } from "zod";
import { verifyAddress } from "../../accounts/verification.ts";
import { findHolder } from "../../db/queries/one-time-tokens.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { digestOfOneTimeToken } from "../../tokens/one-time.ts";
import { done, sentToken } from "../fields.ts";

export const userVerifyEmail = defineProcedure({
  name: "user_verify_email",
  key: "user_workflow_verify_email",
  namespace: "user",
  method: "verifyEmail",
  description: "Verifies a user's email address with the token that was sent to it.",
  access: "public",
  remembersAnswer: true,
  errors: ["INVALID_TOKEN"],
  input: () => z.object({ verify_token: sentToken() }),
  output: z.object(done),
  example: {
    request: { verify_token: "the token from the message" },
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
        throw new AppError("INVALID_TOKEN", "the verification token was used meanwhile");
      if (outcome === "changed meanwhile")
        throw new AppError("INVALID_TOKEN", "the address changed meanwhile");
      return { success: true as const, msg: `verified the address of ${username}` };
    });
  },
});
