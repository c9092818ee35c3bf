import { z } from "zod";
import { replaceIdToken } from "../../db/queries/id-tokens.ts";
import { listGroupsOf } from "../../db/queries/groups.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { ip, password, username, vhost } from "../fields.ts";

export const login = defineProcedure({
  name: "login",
  description: "Checks a password and gives the user's one ID token; an earlier one is dead from then on.",
  access: "public",
  hashes: true,
  input: (app) => z.object({ username: username(app), password: password(), vhost: vhost(app), ip: ip() }),
  output: z.object({ id_token: z.string() }),
  async handler({ app, db, issuer, login: checkLogin, stillWanted }, input) {
    const result = await checkLogin(input.username, input.password, stillWanted);
    if (!result.ok) {
      throw new AppError(result.reason === "not-activated" ? "ACCOUNT_NOT_ACTIVATED" : "INVALID_CREDENTIALS");
    }
    const { user, rehashed } = result;
    const validUntil = new Date(Date.now() + app.id_token_valid_time * 60_000);
    const tokenId = await replaceIdToken(
      db,
      { username: user.username, hash: user.password_hash, rehashed },
      { ip: input.ip, vhost: input.vhost, valid_until: validUntil, sign_method: issuer.method },
    );
    // The password was changed or the account turned off while the hash was computed: what was proven holds no more.
    if (tokenId === "changed")
      throw new AppError("INVALID_CREDENTIALS", "the account changed during the login");
    const groups = await listGroupsOf(db, user.username);
    const subject = { username: user.username, groups };
    return { id_token: await issuer.signIdToken(subject, { tokenId, ip: input.ip, validUntil }) };
  },
});
