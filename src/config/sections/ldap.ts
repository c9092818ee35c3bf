import { z } from "zod";
import { filePath } from "./common.ts";

const ldapAddress = z.string().min(1).describe("ldap://host:port or ldaps://host:port");

/** `ldap_settings`: the directory. */
export const ldapSettings = z.strictObject({
  address: z
    .union([ldapAddress, z.array(ldapAddress).min(1)])
    .default("ldap://127.0.0.1:389")
    .describe("URL of the directory server, or a list of them in the order to ask them"),
  base_dn: z.string().min(1).default("ou=User,dc=ad,dc=local").describe("users are searched below it"),
  user_filter: z
    .string()
    .min(1)
    .default("(&(objectClass=user)(sAMAccountName={username}))")
    .describe("finds the user; the attribute that is compared with {username} holds the name"),
  group: z.string().min(1).default("allowed_to_login").describe("only its members may log in"),
  groups_prefix: z.string().default("API_PERM").describe("directory groups that begin with it become groups"),
  groups_base_dn: z
    .string()
    .min(1)
    .optional()
    .describe(
      "given, only groups below it count; nested groups are searched below it, else below base_dn's domain",
    ),
  nested_groups: z.boolean().default(false).describe("groups of groups count as well"),
  sync_groups: z
    .enum(["mirror", "add"])
    .default("mirror")
    .describe("mirror: a user has the directory's groups and no others; add: none are taken away"),
  admin_from_directory: z
    .boolean()
    .default(true)
    .describe("whether the directory decides who is in the admin group"),
  domain: z.string().min(1).max(59).default("ad.local").describe("the domain that users log in to"),
  bind: z
    .string()
    .min(1)
    .optional()
    .describe(
      "how users bind: as a text with {username} in it (a DN where it has a =), or search: as the entry that was " +
        "found; without it {domain}\\{username}, or search where bind_dn is given",
    ),
  bind_dn: z.string().min(1).optional().describe("the service account that searches"),
  bind_password: z.string().min(1).optional().describe("its password"),
  start_tls: z
    .boolean()
    .optional()
    .describe("TLS on an ldap:// address (StartTLS); true where ca_file is given"),
  ca_file: filePath
    .optional()
    .describe("PEM file of the CA that signed the server's certificate; given, the connection is TLS"),
  timeout_ms: z
    .int()
    .min(100)
    .max(60_000)
    .default(5000)
    .describe("limit of one exchange with one server, from connecting to the last answer"),
  max_connections: z.int().min(1).max(1000).default(8).describe("connections of one worker at most"),
  revalidate_minutes: z
    .number()
    .min(0)
    .max(525_600)
    .default(60)
    .describe("an account is looked up again when its last check is older; 0 is never"),
});
