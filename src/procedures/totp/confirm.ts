import { z } from "zod";
import { ENROLMENT_LIFETIME, finishTotp } from "../../accounts/factors.ts";
import { amrOf } from "../../auth/second-factor/challenges.ts";
import { totpPurpose } from "../../auth/second-factor/secret-box.ts";
import { findTotpStep } from "../../auth/second-factor/totp.ts";
import { findTotp } from "../../db/queries/factors.ts";
import { AppError, WRONG_CREDENTIAL } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { commitReply } from "../commit-reply.ts";
import {
  enrolled,
  enroleeOf,
  enrolmentRefused,
  finishEnrolment,
  generateCodes,
  recallEnrolment,
} from "../enrolment.ts";
import { totpCode } from "../factor-fields.ts";
import { ip, label } from "../fields.ts";
import { secretsOf } from "./secrets.ts";

export const totpConfirm = defineProcedure({
  name: "totp_confirm",
  key: "user_workflow_confirm_totp",
  namespace: "user",
  method: "confirmTotp",
  description:
    "Finishes the enrolment of a TOTP with its first code, which cannot be used for a login any more.",
  access: "enrolment",
  requires: "second_factor",
  needsRecentLogin: () => true,
  remembersAnswer: true,
  errors: ["INVALID_CREDENTIALS", "NO_PENDING_FACTOR", "TOKEN_TOO_LARGE"],
  input: () =>
    z.object({
      totp: totpCode(),
      name: label().optional().describe("what the user sees in the list of factors"),
      ip: ip(),
    }),
  output: z.object(enrolled),
  example: {
    request: { totp: "287082", name: "phone" },
    reply: { id: "5577006791947779410", recovery_codes: ["7h2k-9qwe-m4zx-0rt5-b3v8-nd6c"] },
  },
  async handler(context, { totp: code, name }) {
    const { db } = context;
    const enrolee = enroleeOf(context);
    const pending = await findTotp(db, enrolee.username, new Date(Date.now() - ENROLMENT_LIFETIME));
    if (pending === undefined) throw new AppError("NO_PENDING_FACTOR");
    const { id, keyId, sealed } = pending;
    const step = findTotpStep(await secretsOf(context).open(keyId, sealed, totpPurpose(id)), code);
    if (step === undefined)
      throw new AppError("INVALID_CREDENTIALS", undefined, { publicMsg: WRONG_CREDENTIAL.totp_confirm });
    const generated = generateCodes(context);
    return commitReply(context, async (writer) => {
      const added = await finishTotp(writer, enrolee, { id, step, name }, generated);
      if (added === "refused") throw enrolmentRefused(context);
      if (added === "not pending") throw new AppError("NO_PENDING_FACTOR");
      return finishEnrolment(context, writer, added, { id, amr: amrOf({ type: "totp" }), generated });
    });
  },
  recall: async (context, stored) => recallEnrolment(context, stored),
});
