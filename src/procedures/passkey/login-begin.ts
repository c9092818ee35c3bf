import { z } from "zod";
import { CHALLENGE_LIFETIME } from "../../auth/second-factor/challenges.ts";
import { requestOptions } from "../../auth/second-factor/passkeys.ts";
import { insertChallenge } from "../../db/queries/challenges.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { createChallenge, digestOfChallenge } from "../../tokens/challenge.ts";
import { client, ip, vhost } from "../fields.ts";
import { partyOf } from "./party.ts";

export const passkeyLoginBegin = defineProcedure({
  name: "passkey_login_begin",
  key: "session_workflow_begin_passkey_login",
  namespace: "session",
  method: "beginPasskeyLogin",
  description: "Begins a login with a passkey alone, without a username; `login_continue` completes it.",
  access: "public",
  requires: "passkeys",
  input: (app) => z.object({ vhost: vhost(app), ip: ip(), client: client().optional() }),
  output: z.object({
    challenge: z.string().describe("challenge for `login_continue`, valid for five minutes"),
    passkey_options: z
      .record(z.string(), z.unknown())
      .describe("options for `navigator.credentials.get`, in JSON form (`parseRequestOptionsFromJSON()`)"),
  }),
  example: {
    request: { ip: "192.0.2.17", client: "Firefox on Linux" },
    reply: {
      challenge: "<challenge>",
      passkey_options: { challenge: "<challenge>", rpId: "example.com", userVerification: "required" },
    },
  },
  async handler({ app, commit }, { ip: address, vhost: host, client: label = null }) {
    const challenge = createChallenge();
    const passkey_options = await requestOptions(partyOf(app), challenge);
    const origin = { ip: address, vhost: host, client: label, amr: [] };
    const row = { ...origin, purpose: "passkey_login", username: null, accountModifiedAt: null } as const;
    const expiresAt = new Date(Date.now() + CHALLENGE_LIFETIME);
    await commit(({ trx }) => insertChallenge(trx, digestOfChallenge(challenge), row, expiresAt));
    return { challenge, passkey_options };
  },
});
