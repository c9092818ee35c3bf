import { z } from "zod";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { ip } from "../fields.ts";

export const getAccessToken = defineProcedure({
  name: "token",
  description: "Exchanges an ID token for a short-lived access token with the user's groups and vhost.",
  access: "id_token",
  errors: ["ACCOUNT_NOT_ACTIVATED"],
  input: () => z.object({ ip: ip() }),
  output: z.object({ access_token: z.string() }),
  example: { request: { ip: "192.0.2.17" }, reply: { access_token: "<access token>" } },
  async handler({ app, issuer, lastUse, revalidate, session: presented }) {
    if (!presented.activated) throw new AppError("ACCOUNT_NOT_ACTIVATED");
    const session = await revalidate(presented);
    if (session === undefined)
      throw new AppError("INVALID_TOKEN", "the session ended while the directory was asked");
    if (!(await lastUse.note(session))) throw new AppError("INVALID_TOKEN", "revoked meanwhile");
    const lifetime = app.access_token_valid_time * 60;
    return { access_token: issuer.signAccessToken(session, { vhost: session.vhost, lifetime }) };
  },
});
