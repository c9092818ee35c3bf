import { z } from "zod";
import { createUser } from "../../db/queries/users.ts";
import { AppError } from "../../errors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { email, newPassword, username } from "../fields.ts";

export const adminCreateUser = defineProcedure({
  name: "user_admin_create",
  description: "Makes an activated account, whether registration is open or not.",
  access: "admin",
  hashes: true,
  input: (app) => z.object({ username: username(app), password: newPassword(app), email: email(app) }),
  output: z.object({ success: z.literal(true), msg: z.string() }),
  async handler({ db, passwords, stillWanted }, input) {
    const outcome = await createUser(db, {
      username: input.username,
      password_hash: await passwords.hash(input.password, stillWanted),
      auth_type: "LOCAL",
      email: input.email,
      activated: true,
    });
    if (outcome !== "created")
      throw new AppError(outcome === "username taken" ? "USERNAME_TAKEN" : "EMAIL_TAKEN");
    return { success: true as const, msg: `created user ${input.username}` };
  },
});
