import type { SecretBox } from "../../auth/second-factor/secret-box.ts";
import { AppError } from "../../errors.ts";
import type { Context } from "../../rpc/context.ts";

/** The encryption of TOTP secrets. */
export function secretsOf({ secrets }: Pick<Context, "secrets">): SecretBox {
  // unreachable: the configuration has keys unless second factors are off, which the pipeline has checked
  if (secrets === undefined) throw new AppError("SECOND_FACTOR_OFF");
  return secrets;
}
