import { z } from "zod";
import { appConfig } from "./app-config.ts";
import { parseNode } from "./broker-node.ts";
import { QUEUE_KEYS, queueNames } from "./queues.ts";

export const SIGN_METHODS = [
  "HS256",
  "HS384",
  "HS512",
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
] as const;

/** A JWS algorithm (RFC 7518, RFC 8037) that tokens may be signed with. */
export type SignMethod = (typeof SIGN_METHODS)[number];

const QUEUE_PROFILES = ["durable", "quorum", "transient"] as const;

/** How the queues are declared at the broker. */
export type QueueProfile = (typeof QUEUE_PROFILES)[number];

const signMethod = z.enum(SIGN_METHODS);
const filePath = z.string().min(1);
const port = z.int().min(1).max(65_535);

const secretType = z
  .enum(["plain", "base64plain", "base64key", "keyfile"])
  .describe("plain: the text itself; base64plain, base64key: base64 of a secret or a PEM; keyfile: a path");

const secret = z.strictObject({
  type: secretType,
  value: z.string().min(1).describe("the secret, the PEM, its base64, or the path of its file"),
});

const issuerSchema = z.strictObject({
  name: z.string().min(1).describe("the iss claim of this issuer's tokens"),
  secret: secret.describe("its shared secret (HS*) or public key"),
  methods: z.array(signMethod).min(1).describe("the algorithms that its tokens may use"),
  audience: z.string().min(1).optional().describe("given, its tokens must be meant for it (aud)"),
});

const jwtCreation = z.strictObject({
  issuer: z.string().min(1).describe("the iss claim of the tokens that this installation issues"),
  signmethod: signMethod.describe("the algorithm of new tokens"),
  secret: secret.extend({ secret: z.string().optional().describe("passphrase of an encrypted private key") }),
  audience: z.string().min(1).optional().describe("the aud claim of access tokens"),
});

const ldapAddress = z.string().min(1).describe("ldap://host:port or ldaps://host:port");

const ldapSettings = z.strictObject({
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

const kerberosSettings = z.strictObject({
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

const dbSettings = z.strictObject({
  dialect: z.enum(["mysql", "sqlite"]).optional().describe("sqlite when only file is given, else mysql"),
  file: filePath.optional().describe("the database file (sqlite)"),
  database: z.string().min(1).optional().describe("the database's name (mysql)"),
  user: z.string().min(1).optional().describe("the user that connects (mysql)"),
  password: z.string().optional().describe("its password (mysql)"),
  host: z.string().min(1).default("127.0.0.1").describe("host of MySQL or MariaDB"),
  port: port.default(3306),
  ca_file: filePath.optional().describe("PEM file of the server's CA; given, the connection is TLS"),
  pool_size: z.int().min(1).max(1000).default(10).describe("connections of one worker at most"),
  timeout_ms: z
    .int()
    .min(100)
    .default(1500)
    .describe("limit of one statement; the first one's includes waiting for a connection"),
});

const brokerNode = z
  .string()
  .refine(
    (text) => parseNode(text, 1) !== undefined,
    "must be host, host:port, [IPv6 address] or [IPv6 address]:port",
  )
  .describe("host, host:port, [IPv6 address] or [IPv6 address]:port");

const prefetch = z.int().min(1).max(65_535);

const amqpSettings = z.strictObject({
  host: z
    .union([brokerNode, z.array(brokerNode).min(1)])
    .default("127.0.0.1")
    .describe("the broker, or a list of a cluster's nodes in the order to try them"),
  port: port.default(5672).describe("of every host that names none"),
  username: z.string().default("guest"),
  password: z.string().default("guest"),
  vhost: z.string().min(1).default("/"),
  connection_name: z.string().min(1).default("authmq").describe("shown in the broker's management pages"),
  message_lifetime: z
    .number()
    .positive()
    .optional()
    .describe("seconds that a reply may wait in its queue; without it, for ever"),
  ca_file: filePath.optional().describe("PEM file of the broker's CA; given, the connection is TLS"),
  heartbeat: z.int().min(1).max(3600).default(10).describe("seconds"),
  prefetch: prefetch.default(64).describe("requests in flight per queue and worker"),
  prefetch_by_queue: z
    .partialRecord(z.enum(queueNames()), prefetch)
    .optional()
    .describe("the same for single queues, by their default names"),
  queues: z
    .enum(QUEUE_PROFILES)
    .default("durable")
    .describe("how the queues are declared; transient: as py_auth_micro does"),
  max_request_bytes: z.int().min(1024).default(65_536).describe("a larger request is answered 413"),
});

const queueName = z
  .string()
  .min(1)
  .refine((name) => Buffer.byteLength(name) <= 255, "at most 255 bytes")
  .refine((name) => !name.startsWith("amq."), "names that begin with amq. belong to the broker");

const queueSettings = z.strictObject(
  Object.fromEntries(
    QUEUE_KEYS.map((key) => [key, queueName.optional().describe("queue name of this workflow")]),
  ),
);

const logSettings = z.strictObject({
  level: z
    .string()
    .toLowerCase()
    .pipe(z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]))
    .default("info"),
  handler: z.enum(["stderr", "file"]).default("stderr"),
  handler_settings: z
    .strictObject({ path: filePath.optional().describe("of the log file (handler file)") })
    .prefault({}),
});

const healthSettings = z.strictObject({
  host: z.string().min(1).default("127.0.0.1").describe("address to listen on; 0.0.0.0 is all of IPv4"),
  port: port.optional().describe("of the HTTP endpoints for health and metrics; without it, there are none"),
});

/** The sections of the configuration file, each strict, with defaults. */
export const SECTIONS = {
  jwt_validation: z.array(issuerSchema).default([]).describe("issuers whose access tokens are accepted"),
  jwt_creation: jwtCreation.optional().describe("how this installation signs its tokens"),
  ldap_settings: ldapSettings.optional().describe("the directory, where there is one"),
  kerberos_settings: kerberosSettings.optional().describe("the Kerberos realm, where there is one"),
  db_settings: dbSettings.prefault({}).describe("without it: SQLite in ./authmq.db"),
  amqp_settings: amqpSettings.prefault({}).describe("the broker"),
  app_config: appConfig.prefault({}).describe("rules for accounts, names and tokens"),
  queue_settings: queueSettings.prefault({}).describe("other names for the queues"),
  log_settings: logSettings.prefault({}).describe("what is logged, and where to"),
  health_settings: healthSettings.prefault({}).describe("where health and metrics can be asked for"),
};

/** The whole configuration file. */
export const configSchema = z.strictObject(SECTIONS).meta({ title: "authmq configuration" });

/** The configuration file after validation, with every default filled in. */
export type Settings = z.output<typeof configSchema>;

/** Rules for accounts, names and tokens. */
export type AppConfig = Settings["app_config"] & {
  /** What stands in `password_blocklist`, folded. */
  readonly blockedPasswords?: ReadonlySet<string>;
};

/** Where and how to reach the broker. */
export type AmqpConfig = Settings["amqp_settings"];

/** What is logged, and where to. */
export type LogConfig = Settings["log_settings"];

/** Where the directory is, and what of it counts. */
export type LdapSettings = NonNullable<Settings["ldap_settings"]>;

/** Where the Kerberos realm is. */
export type KerberosSettings = NonNullable<Settings["kerberos_settings"]>;

/** A shared secret or key as the file names it. */
export type SecretSetting = z.output<typeof jwtCreation>["secret"];
