import { z } from "zod";
import { textField } from "./fields.ts";

/** A TOTP code; spaces are ignored, because apps show two groups of three digits. */
export function totpCode() {
  return z
    .string("must be a string")
    .overwrite((value) => value.replaceAll(" ", ""))
    .regex(/^\d{6}$/, "must have six digits")
    .describe("code of six digits from the authenticator app");
}

/** A recovery code. */
export function recoveryCode() {
  return textField()
    .min(1, "must not be empty")
    .max(100, "must have at most 100 characters")
    .describe("recovery code; case, hyphens and spaces are ignored");
}

/** The id of a factor. */
export function factorId() {
  return textField().describe("id of a factor, from `factor_all`");
}
