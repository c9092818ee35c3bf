import { z } from "zod";
import { filePath } from "./common.ts";

/** `kerberos_settings`: the Kerberos realm. */
export const kerberosSettings = z.strictObject({
  realm: z
    .string()
    .regex(/^[A-Za-z0-9.-]+$/, "must be a realm, for example EXAMPLE.COM")
    .describe("users are principals of it, for example `EXAMPLE.COM`"),
  service: z
    .string()
    .regex(/^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+$/, "must be SERVICE@host, for example HTTP@auth.example.com")
    .describe(
      "the worker's own principal in GSSAPI's form: `HTTP@auth.example.com` is `HTTP/auth.example.com@EXAMPLE.COM`",
    ),
  keytab: filePath.describe("file with its keys, mode 0600"),
  config_file: filePath.optional().describe("`krb5.conf`; without it, the system's own"),
  timeout_ms: z
    .int()
    .min(100)
    .max(60_000)
    .default(5000)
    .describe("limit of one check of a password or ticket"),
});
