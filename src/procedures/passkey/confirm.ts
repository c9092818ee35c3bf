import { z } from "zod";
import { addPasskey } from "../../accounts/factors.ts";
import { amrOf } from "../../auth/second-factor/challenges.ts";
import {
  challengeIn,
  digestOfCredential,
  userHandle,
  verifyCreation,
} from "../../auth/second-factor/passkeys.ts";
import { findChallenge, hasChallenge } from "../../db/queries/challenges.ts";
import { createRowId } from "../../db/row-id.ts";
import { AppError, WRONG_CREDENTIAL } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { digestOfChallenge } from "../../tokens/challenge.ts";
import { commitReply } from "../commit-reply.ts";
import {
  enrolled,
  enroleeOf,
  enrolmentRefused,
  finishEnrolment,
  generateCodes,
  recallEnrolment,
} from "../enrolment.ts";
import { ip, label } from "../fields.ts";
import { passkeyRegistration } from "./credential.ts";
import { partyOf } from "./party.ts";

export const passkeyConfirm = defineProcedure({
  name: "passkey_confirm",
  key: "user_workflow_confirm_passkey",
  namespace: "user",
  method: "confirmPasskey",
  description: "Finishes the enrolment of a passkey with the credential that the browser created.",
  access: "enrolment",
  requires: "passkeys",
  needsRecentLogin: () => true,
  remembersAnswer: true,
  errors: ["INVALID_CREDENTIALS", "NO_PENDING_FACTOR", "TOO_MANY_FACTORS", "TOKEN_TOO_LARGE"],
  input: () =>
    z.object({
      credential: passkeyRegistration(),
      name: label().describe("what the user sees in the list of factors"),
      ip: ip(),
    }),
  output: z.object(enrolled),
  example: {
    request: {
      credential: {
        id: "Y3JlZGVudGlhbA",
        rawId: "Y3JlZGVudGlhbA",
        type: "public-key",
        response: { clientDataJSON: "Y2xpZW50IGRhdGE", attestationObject: "o2NmbXRkbm9uZQ" },
      },
      name: "laptop",
    },
    reply: { id: "5577006791947779410" },
  },
  async handler(context, { credential, name }) {
    const { app, db, fingerprints } = context;
    const enrolee = enroleeOf(context);
    const { username } = enrolee;
    const challenge = challengeIn(credential) ?? "";
    const challengeHash = digestOfChallenge(challenge);
    const row = await findChallenge(db, challengeHash);
    if (row?.purpose !== "passkey_enrolment" || row.username !== username) {
      const hasBegun = await hasChallenge(db, "passkey_enrolment", username);
      throw hasBegun ? notValid() : new AppError("NO_PENDING_FACTOR");
    }
    const handle = userHandle(fingerprints, username);
    const verified = await verifyCreation(partyOf(app), credential, { challenge, handle });
    if (verified === undefined) throw notValid();
    const id = createRowId();
    const factor = { id, name, credentialHash: digestOfCredential(verified.passkey.id), ...verified };
    const generated = generateCodes(context);
    return commitReply(context, async (writer) => {
      const added = await addPasskey(writer, enrolee, factor, { challengeHash, codes: generated });
      if (added === "refused") throw enrolmentRefused(context);
      if (added === "not pending") throw new AppError("NO_PENDING_FACTOR");
      if (added === "too many") throw new AppError("TOO_MANY_FACTORS");
      if (added === "taken") throw notValid();
      return finishEnrolment(context, writer, added, { id, amr: amrOf({ type: "passkey" }), generated });
    });
  },
  recall: async (context, stored) => recallEnrolment(context, stored),
});

/** Also for a credential that is registered for another account: nobody learns of it. */
function notValid(): AppError {
  return new AppError("INVALID_CREDENTIALS", undefined, { publicMsg: WRONG_CREDENTIAL.passkey_confirm });
}
