import type { RelyingParty } from "../../auth/second-factor/passkeys.ts";
import type { AppConfig } from "../../config/schema.ts";
import { AppError } from "../../errors.ts";

/** The relying party of an installation with passkeys. */
export function partyOf({ passkeys }: AppConfig): RelyingParty {
  if (passkeys === undefined) throw new AppError("PASSKEYS_OFF"); // unreachable: the pipeline has checked it
  return passkeys;
}
