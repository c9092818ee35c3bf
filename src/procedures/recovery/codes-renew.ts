import { z } from "zod";
import { renewRecoveryCodes } from "../../accounts/factors.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { deriveRecoveryCodes } from "../../tokens/recovery-codes.ts";
import { commitReply } from "../commit-reply.ts";
import { generateCodes } from "../enrolment.ts";
import { assertOwnSession, requireAccount } from "../load-account.ts";

export const recoveryCodesRenew = defineProcedure({
  name: "recovery_codes_renew",
  key: "user_workflow_renew_recovery_codes",
  namespace: "user",
  method: "renewRecoveryCodes",
  description: "Replaces the caller's recovery codes; the earlier ones stop working. Shown only once.",
  access: "self",
  requires: "second_factor",
  needsRecentLogin: () => true,
  remembersAnswer: true,
  errors: ["USER_NOT_FOUND", "FACTOR_NOT_FOUND"],
  input: () => z.object({}),
  output: z.object({
    recovery_codes: z.array(z.string()).describe("ten codes that each replace a second factor once"),
  }),
  example: { request: {}, reply: { recovery_codes: ["7h2k-9qwe-m4zx-0rt5-b3v8-nd6c"] } },
  async handler(context) {
    const account = requireAccount(context.account);
    assertOwnSession(context.caller, account);
    const { username } = account;
    const generated = generateCodes(context);
    return commitReply(context, async (writer) => {
      if (!(await renewRecoveryCodes(writer, username, generated)))
        throw new AppError("FACTOR_NOT_FOUND", "no factor that codes could replace");
      return { reply: { recovery_codes: generated.codes }, stored: { seed: generated.seed } };
    });
  },
  async recall({ fingerprints }, stored) {
    const { seed } = z.object({ seed: z.string() }).parse(stored);
    return { recovery_codes: deriveRecoveryCodes(fingerprints, seed) };
  },
});
