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
      "`ldap://host:port` or `ldaps://host:port`; in a list, the next server is used if one cannot be reached",
    ),
  base_dn: z.string().min(1).default("ou=User,dc=ad,dc=local").describe("search base for users"),
  user_filter: z
    .string()
    .min(1)
    .default("(&(objectClass=user)(sAMAccountName={username}))")
    .describe("search filter for a user; `{username}` marks the attribute that contains the login name"),
  id_attribute: z
    .string()
    .regex(/^(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)$/, "must be the name of one attribute")
    .optional()
    .describe(
      "attribute with a permanent, never reused id of a user; by default the first of " +
        "`objectGUID`, `entryUUID`, `nsUniqueId`, `ipaUniqueID` that the directory returns",
    ),
  group: z.string().min(1).default("allowed_to_login").describe("`cn` of the group whose members may log in"),
  groups_prefix: z
    .string()
    .default("API_PERM")
    .describe("prefix of the directory groups to copy; the prefix is removed from the group name"),
  groups_base_dn: z
    .string()
    .min(1)
    .optional()
    .describe(
      "only groups below this DN are used; by default all, and nested groups are searched below the domain " +
        "of `base_dn`",
    ),
  nested_groups: z.boolean().default(false).describe("whether to resolve nested groups"),
  sync_groups: z
    .enum(["mirror", "add"])
    .default("mirror")
    .describe(
      "group sync at login; `mirror`: replace the user's groups with those of the directory; `add`: only add groups",
    ),
  admin_from_directory: z
    .boolean()
    .default(true)
    .describe(
      "whether the directory controls membership in `admin_group`; if false, logins neither add nor remove " +
        "administrators",
    ),
  domain: z
    .string()
    .min(1)
    .max(59)
    .default("ad.local")
    .describe(
      "domain for bind names and generated email addresses: a DNS domain (`ad.local`), or a NetBIOS domain " +
        "without a dot (`AD`)",
    ),
  bind: z
    .string()
    .min(1)
    .optional()
    .describe(
      "bind name of a user: a template with `{username}` (a DN if it contains `=`), or `search` to bind as " +
        "the entry that the " +
        "service account found; by default `search` if `bind_dn` is set, else `{username}@{domain}` " +
        "if `domain` has a dot and `{domain}\\{username}` if not",
    ),
  bind_dn: z.string().min(1).optional().describe("service account, for `bind: search` and for revalidation"),
  bind_password: z.string().min(1).optional().describe("password of the service account"),
  start_tls: z
    .boolean()
    .optional()
    .describe("whether to use StartTLS on `ldap://` addresses; by default true if `ca_file` is set"),
  ca_file: filePath
    .optional()
    .describe(
      "PEM file of the CA that signed the server's certificate; enables TLS; by default the CAs that Node trusts",
    ),
  timeout_ms: z
    .int()
    .min(100)
    .max(60_000)
    .default(5000)
    .describe("timeout in milliseconds for connecting, binding and searching on one server together"),
  max_connections: z.int().min(1).max(1000).default(8).describe("maximum connections per worker"),
  revalidate_minutes: z
    .number()
    .min(0)
    .max(525_600)
    .default(60)
    .describe(
      "maximum age of the last directory check of a user: `token` checks older sessions again; 0 or no " +
        "service account: never",
    ),
});
