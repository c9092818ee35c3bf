import type { AppConfig } from "../config/schema.ts";
import { AppError } from "../errors.ts";
import type { Procedure } from "./procedure.ts";

/** Throws SECOND_FACTOR_OFF or PASSKEYS_OFF if the configuration has turned off what the procedure requires. */
export function assertTurnedOn(
  { second_factor, passkeys }: Pick<AppConfig, "second_factor" | "passkeys">,
  { requires }: Pick<Procedure, "requires">,
): void {
  if (requires === undefined) return;
  if (second_factor === "off") throw new AppError("SECOND_FACTOR_OFF");
  if (requires === "passkeys" && passkeys === undefined) throw new AppError("PASSKEYS_OFF");
}
