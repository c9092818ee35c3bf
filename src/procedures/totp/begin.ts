import { z } from "zod";
import { beginTotp } from "../../accounts/factors.ts";
import { totpPurpose } from "../../auth/second-factor/secret-box.ts";
import { createTotpSecret, describeTotp } from "../../auth/second-factor/totp.ts";
import { findPendingTotp } from "../../db/queries/factors.ts";
import { createRowId } from "../../db/row-id.ts";
import { AppError } from "../../errors.ts";
import type { Context } from "../../rpc/context.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { enroleeOf, enrolmentRefused } from "../enrolment.ts";
import { ip } from "../fields.ts";
import { secretsOf } from "./secrets.ts";

/** What is stored for an idempotent replay: the secret is in the database, encrypted. */
const begun = z.object({ id: z.string(), username: z.string() });

export const totpBegin = defineProcedure({
  name: "totp_begin",
  key: "user_workflow_begin_totp",
  namespace: "user",
  method: "beginTotp",
  description:
    "Begins to enrol a TOTP (RFC 6238) and returns its secret; `totp_confirm` finishes it within an hour. A finished " +
    "one replaces the account's earlier TOTP.",
  access: "enrolment",
  requires: "second_factor",
  needsRecentLogin: () => true,
  remembersAnswer: true,
  errors: ["NO_PENDING_FACTOR"],
  input: () => z.object({ ip: ip() }),
  output: z.object({
    secret: z.string().describe("secret in base32, for people who cannot scan a QR code"),
    uri: z.string().describe("`otpauth:` URI, for a QR code"),
  }),
  example: {
    request: {},
    reply: {
      secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
      uri: "otpauth://totp/Example:alice?issuer=Example&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&algorithm=SHA1&digits=6&period=30",
    },
  },
  async handler(context) {
    const { commit } = context;
    const enrolee = enroleeOf(context);
    const { username } = enrolee;
    const id = createRowId();
    const secret = createTotpSecret();
    const sealed = secretsOf(context).seal(secret, totpPurpose(id));
    await commit(async (writer) => {
      if (!(await beginTotp(writer, enrolee, { id, ...sealed }))) throw enrolmentRefused(context);
      return { id: id.toString(), username };
    });
    return describeTotp(secret, { issuer: issuerOf(context), username });
  },
  async recall(context, stored) {
    const { id, username } = begun.parse(stored);
    const totp = await findPendingTotp(context.db, BigInt(id));
    if (totp === undefined)
      throw new AppError("NO_PENDING_FACTOR", "it was confirmed, or a later enrolment replaced it");
    const secret = await secretsOf(context).open(totp.keyId, totp.sealed, totpPurpose(totp.id));
    return describeTotp(secret, { issuer: issuerOf(context), username });
  },
});

/** The name that authenticator apps show beside the username. */
function issuerOf({ app, issuer }: Pick<Context, "app" | "issuer">): string {
  return app.passkeys?.rp_name ?? issuer.name;
}
