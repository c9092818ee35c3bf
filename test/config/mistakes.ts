import { generateSecret } from "../../src/config/generate-key.ts";

type Json = Readonly<Record<string, unknown>>;

/** A mistake: its place, its value, and the path of the expected fault. */
export interface Mistake {
  readonly at: readonly string[];
  readonly value: unknown;
  readonly fault: string;
}

const mistake = (path: string, value: unknown, fault = path): Mistake => ({
  at: path.split("."),
  value,
  fault,
});

const PEM = generateSecret("EdDSA").secret;
const OTHER = { name: "partner", secret: { type: "plain", value: "p".repeat(32) }, methods: ["HS256"] };

/** A valid file with every section. */
export function goodFile(): Json {
  return {
    jwt_creation: {
      issuer: "authmq",
      signmethod: "EdDSA",
      keys: { active: { type: "plain", value: PEM }, retiring: [] },
    },
    jwt_validation: [OTHER, { ...OTHER, name: "second" }],
    encryption_keys: {
      active: { type: "plain", value: "a".repeat(32) },
      retiring: [
        { type: "plain", value: "b".repeat(32) },
        { type: "plain", value: "c".repeat(32) },
      ],
    },
    ldap_settings: { address: ["ldap://dc1", "ldap://dc2"], bind_dn: "cn=s,dc=x", bind_password: "p" },
    kerberos_settings: { realm: "EXAMPLE.COM", service: "HTTP@a.example.com", keytab: "keytab" },
    db_settings: { dialect: "mysql", database: "a", user: "a", password: "a" },
    amqp_settings: { host: ["a", "b"], prefetch_by_queue: { login: 2 } },
    broker_settings: { scopes: { staff: ["read:*"], shop: ["write:*"] } },
    app_config: {
      vhosts: ["prod", "test"],
      login_throttle: { free_failures: 3 },
      second_factor: "optional",
      second_factor_groups: ["staff"],
      passkeys: { rp_id: "example.com", rp_name: "Shop", origins: ["https://a.example.com"] },
    },
    queue_settings: { session_workflow_login: "auth.login" },
    log_settings: { handler: "file", handler_settings: { path: "authmq.log" } },
    event_settings: { exchange: "events" },
    health_settings: { port: 9000 },
  };
}

/** Mistakes of each kind in each section; any combination of them can be in one file. */
export const MISTAKES: readonly Mistake[] = [
  mistake("amqp", {}),
  mistake("jwt_creation.issuer", 5),
  mistake("jwt_creation.isuer", "a"),
  mistake("jwt_creation.keys.active.value", "no key", "jwt_creation.keys.active"),
  mistake("jwt_creation.keys.next", { type: "keyfile", value: "missing.pem" }),
  mistake(
    "jwt_creation.keys.retiring",
    [{ type: "rot13", value: "a", until: "2199-01-01T00:00:00Z" }],
    "jwt_creation.keys.retiring.0.type",
  ),
  mistake("jwt_creation.fingerprint_key", { type: "plain", value: "short" }),
  mistake("jwt_validation.0.secret", { type: "plain", value: "short" }),
  mistake("jwt_validation.1.methods", ["HS256", "none"], "jwt_validation.1.methods.1"),
  mistake("jwt_validation.1.secrets", {}),
  mistake("encryption_keys.active.value", "short", "encryption_keys.active"),
  mistake("encryption_keys.retiring.0.type", "rot13"),
  mistake("encryption_keys.retiring.1", { type: "keyfile", value: "missing.txt" }),
  mistake("encryption_keys.next", {}),
  mistake("ldap_settings.address.0", "http://dc1"),
  mistake("ldap_settings.address.1", 5),
  mistake("ldap_settings.base_dn", "users"),
  mistake("ldap_settings.user_filter", "(uid=alice)"),
  mistake("ldap_settings.nested_groups", "true"),
  mistake("ldap_settings.bind_password", 1),
  mistake("ldap_settings.timeout", 1),
  mistake("kerberos_settings.realm", ["EXAMPLE.COM"]),
  mistake("kerberos_settings.keytab", "missing.keytab"),
  mistake("kerberos_settings.config_file", "missing.conf"),
  mistake("db_settings.port", "3306"),
  mistake("db_settings.user", undefined),
  mistake("db_settings.ca_file", "missing.pem"),
  mistake("db_settings.verify_host", 1),
  mistake("db_settings.file", "a.db"),
  mistake("amqp_settings.host.0", "a b"),
  mistake("amqp_settings.host.1", null),
  mistake("amqp_settings.heartbeat", 1.5),
  mistake("amqp_settings.ca_file", "missing.pem"),
  mistake("amqp_settings.prefetch_by_queue.login", 0),
  mistake("amqp_settings.prefetch_by_queue.logins", 1),
  mistake("broker_settings.scopes.staff.0", "rwad:*"),
  mistake("broker_settings.scopes.shop", []),
  mistake("broker_settings.vhosts", ["elsewhere"]),
  mistake("app_config.allow_registration", "yes"),
  mistake("app_config.group_regex", "[a"),
  mistake("app_config.username_regex", "(?=a)(a+)+b"),
  mistake("app_config.password_regex", 12),
  mistake("app_config.default_vhost", "elsewhere"),
  mistake("app_config.password_blocklist", "missing.txt"),
  mistake("app_config.login_throttle.max_failures", -1),
  mistake("app_config.login_throttle.max_failure", 1),
  mistake("app_config.second_factor", "on"),
  mistake("app_config.second_factor_groups.0", ""),
  mistake("app_config.passkeys.rp_id", "https://example.com"),
  mistake("app_config.passkeys.origins.0", "http://a.example.com"),
  mistake("app_config.passkeys.rp_name", undefined),
  mistake("queue_settings.session_workflow_logout", "auth.login"),
  mistake("queue_settings.session_workflow_get_access_token", "amq.token"),
  mistake("queue_settings.login", "a"),
  mistake("log_settings.level", "loud"),
  mistake("log_settings.handler_settings.path", undefined),
  mistake("log_settings.handler_settings.logger", "a b"),
  mistake("event_settings.retention_days", 0),
  mistake("event_settings.exchanges", "a"),
  mistake("health_settings.port", 65_536),
];

function set(target: unknown, [key = "", ...rest]: readonly string[], value: unknown): void {
  const holder = target as Record<string, unknown>;
  if (rest.length > 0) set(holder[key], rest, value);
  else if (value === undefined) Reflect.deleteProperty(holder, key);
  else holder[key] = value;
}

/** The valid file with some mistakes in it. */
export function fileWith(mistakes: readonly Mistake[]): Json {
  const file = structuredClone(goodFile());
  for (const { at, value } of mistakes) set(file, at, structuredClone(value));
  return file;
}
