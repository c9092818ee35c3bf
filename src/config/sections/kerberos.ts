import { z } from "zod";
import { filePath } from "./common.ts";

/** `kerberos_settings`: the Kerberos realm. */
export const kerberosSettings = z.strictObject({
  realm: z
    .string()
    .regex(/^[A-Za-z0-9.-]+$/, "must be a realm, for example EXAMPLE.COM")
    .describe("Kerberos realm of the users, for example `EXAMPLE.COM`"),
  service: z
    .string()
    .regex(/^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+$/, "must be SERVICE@host, for example HTTP@auth.example.com")
    .describe(
      "service principal of the worker in GSSAPI form: `HTTP@auth.example.com` is `HTTP/auth.example.com@EXAMPLE.COM`",
    ),
  keytab: filePath.describe("keytab file of the service principal, mode 0600"),
  config_file: filePath.optional().describe("path of a `krb5.conf`; by default the system's"),
  timeout_ms: z
    .int()
    .min(100)
    .max(60_000)
    .default(5000)
    .describe("timeout of a password or ticket check in milliseconds"),
});
