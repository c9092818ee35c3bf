import { createUser, type NewUser } from "../db/queries/users.ts";
import { userCreated } from "./events.ts";
import { type MessageRules, requestVerification } from "./verification.ts";
import { record, type Writer } from "./writer.ts";

/** Creates an account. With `rules`, a local user gets a verification email. */
export async function createAccount(
  writer: Writer,
  user: NewUser,
  rules?: MessageRules,
): Promise<"created" | "username taken" | "email taken"> {
  const outcome = await createUser(writer.trx, user);
  if (outcome !== "created") return outcome;
  await record(writer, userCreated(user));
  const { username, email, auth_type } = user;
  if (rules !== undefined && auth_type === "LOCAL" && email !== null)
    await requestVerification(writer, { username, email }, rules);
  return outcome;
}
