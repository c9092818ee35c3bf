import { z } from "zod";
import { filePath } from "./common.ts";

const ldapAddress = z
  .string()
  .min(1)
  .meta({ title: "URL" })
  .describe("`ldap://host:port` or `ldaps://host:port`");

/** `ldap_settings`: the directory. */
export const ldapSettings = z.strictObject({
  address: z
    .union([ldapAddress, z.array(ldapAddress).min(1)])
    .default("ldap://127.0.0.1:389")
    .describe(
      "`ldap://host:port` or `ldaps://host:port`; of several, the next one is asked when one cannot be reached",
    ),
  base_dn: z.string().min(1).default("ou=User,dc=ad,dc=local").describe("users are searched below it"),
  user_filter: z
    .string()
    .min(1)
    .default("(&(objectClass=user)(sAMAccountName={username}))")
    .describe("finds a user; the attribute that is compared with `{username}` holds the name"),
  id_attribute: z
    .string()
    .regex(/^(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)$/, "must be the name of one attribute")
    .optional()
    .describe(
      "the attribute whose value stays with a person for good and is never given to another one; without it the first of " +
        "`objectGUID`, `entryUUID`, `nsUniqueId`, `ipaUniqueID` that the directory shows",
    ),
  group: z
    .string()
    .min(1)
    .default("allowed_to_login")
    .describe("the `cn` of the group whose members may log in"),
  groups_prefix: z
    .string()
    .default("API_PERM")
    .describe("groups whose `cn` begins with it become groups here, without it"),
  groups_base_dn: z
    .string()
    .min(1)
    .optional()
    .describe(
      "given, only groups below it count; nested groups are searched below it, else below the domain of `base_dn`",
    ),
  nested_groups: z.boolean().default(false).describe("whether groups of groups count"),
  sync_groups: z
    .enum(["mirror", "add"])
    .default("mirror")
    .describe(
      "`mirror`: at each login the user's groups become those of the directory, and no others; `add`: none is taken away",
    ),
  admin_from_directory: z
    .boolean()
    .default(true)
    .describe(
      "whether the prefixed `admin_group` makes administrators; false: the directory neither adds to that group nor takes out of it",
    ),
  domain: z
    .string()
    .min(1)
    .max(59)
    .default("ad.local")
    .describe(
      "the domain in users' bind names and in generated email addresses: a DNS domain (`ad.local`) or, without a dot, a NetBIOS domain (`AD`)",
    ),
  bind: z
    .string()
    .min(1)
    .optional()
    .describe(
      "how a user proves the password: by this name, with `{username}` in it (a DN where it has a `=`), or `search`: as the " +
        "entry that the service account found; without it `search` where `bind_dn` is given, else `{username}@{domain}` " +
        "for a `domain` with a dot and `{domain}\\{username}` for one without",
    ),
  bind_dn: z
    .string()
    .min(1)
    .optional()
    .describe("the service account: it searches with `bind` `search`, and looks users up again"),
  bind_password: z.string().min(1).optional().describe("its password"),
  start_tls: z
    .boolean()
    .optional()
    .describe("TLS on an `ldap://` address by StartTLS; without it, true where `ca_file` is given"),
  ca_file: filePath
    .optional()
    .describe(
      "PEM file of the CA that signed the server's certificate; given, the connection is TLS; without it, the CAs that Node knows",
    ),
  timeout_ms: z
    .int()
    .min(100)
    .max(60_000)
    .default(5000)
    .describe("limit of one exchange with one server: connecting, binding and searching together"),
  max_connections: z.int().min(1).max(1000).default(8).describe("connections of one worker at once"),
  revalidate_minutes: z
    .number()
    .min(0)
    .max(525_600)
    .default(60)
    .describe(
      "how old the last look at a user may be when its ID token is exchanged; 0, or no service account: never looked at again",
    ),
});
