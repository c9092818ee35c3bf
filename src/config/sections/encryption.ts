import { z } from "zod";
import { secretSchema } from "./jwt.ts";

/** `encryption_keys`: the keys that encrypt TOTP secrets in the database. */
export const encryptionKeys = z.strictObject({
  active: secretSchema.describe("key that encrypts: 32 bytes; `authmq init` writes one"),
  retiring: z
    .array(secretSchema)
    .default([])
    .describe(
      "old keys that only decrypt what is still encrypted with them; `authmq keys rotate --secrets` writes them",
    ),
});
