import { z } from "zod";
import { deleteIdToken } from "../../db/queries/id-tokens.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { ip } from "../fields.ts";

export const logout = defineProcedure({
  name: "logout",
  description: "Revokes the ID token.",
  access: "id_token",
  input: () => z.object({ ip: ip() }),
  output: z.object({ msg: z.string() }),
  async handler({ db, session }) {
    if (!(await deleteIdToken(db, session.token_id)))
      throw new AppError("INVALID_TOKEN", "revoked meanwhile");
    return { msg: `logged out ${session.username}` };
  },
});
