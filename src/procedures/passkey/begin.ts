import { z } from "zod";
import { beginPasskey } from "../../accounts/factors.ts";
import { creationOptions, PASSKEY_TIMEOUT, userHandle } from "../../auth/second-factor/passkeys.ts";
import { listFactors } from "../../db/queries/factors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { createChallenge, digestOfChallenge } from "../../tokens/challenge.ts";
import { enroleeOf, enrolmentRefused } from "../enrolment.ts";
import { ip } from "../fields.ts";
import { partyOf } from "./party.ts";

export const passkeyBegin = defineProcedure({
  name: "passkey_begin",
  key: "user_workflow_begin_passkey",
  namespace: "user",
  method: "beginPasskey",
  description: "Begins to enrol a passkey; `passkey_confirm` finishes it within five minutes.",
  access: "enrolment",
  requires: "passkeys",
  needsRecentLogin: () => true,
  input: () => z.object({ ip: ip() }),
  output: z.object({
    passkey_options: z
      .record(z.string(), z.unknown())
      .describe(
        "options for `navigator.credentials.create`, in JSON form (`parseCreationOptionsFromJSON()`)",
      ),
  }),
  example: {
    request: {},
    reply: { passkey_options: { challenge: "<challenge>", rp: { id: "example.com", name: "Example" } } },
  },
  async handler(context, { ip: address }) {
    const { app, commit, db, fingerprints } = context;
    const enrolee = enroleeOf(context);
    const { username } = enrolee;
    const known = (await listFactors(db, username)).flatMap(({ passkey }) => passkey ?? []);
    const challenge = createChallenge();
    const handle = userHandle(fingerprints, username);
    const passkey_options = await creationOptions(partyOf(app), { username, handle, known }, challenge);
    const expiresAt = new Date(Date.now() + PASSKEY_TIMEOUT);
    const row = { hash: digestOfChallenge(challenge), expiresAt, ip: address };
    await commit(async (writer) => {
      if (!(await beginPasskey(writer, enrolee, row))) throw enrolmentRefused(context);
    });
    return { passkey_options };
  },
});
