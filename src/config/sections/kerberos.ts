import { z } from "zod";
import { filePath } from "./common.ts";

/** `kerberos_settings`: the Kerberos realm. */
export const kerberosSettings = z.strictObject({
  realm: z
    .string()
    .regex(/^[A-Za-z0-9.-]+$/, "must be a realm, for example EXAMPLE.COM")
    .describe("users are principals of it"),
  service: z
    .string()
    .regex(/^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+$/, "must be SERVICE@host, for example HTTP@auth.example.com")
    .describe("this service's own principal in GSSAPI's form, for example HTTP@auth.example.com"),
  keytab: filePath.describe("file with the keys of the service"),
  config_file: filePath.optional().describe("krb5.conf; without it, the system's own"),
  timeout_ms: z.int().min(100).max(60_000).default(5000).describe("limit of one check"),
});
