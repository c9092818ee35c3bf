/** The settings for broker tokens. */
export interface BrokerTokenConfig {
  readonly resourceServerId: string;
  /** Permission entries by group. */
  readonly scopes: ReadonlyMap<string, readonly string[]>;
  readonly vhosts: readonly string[];
  /** Seconds. */
  readonly lifetime: number;
}

/** Used as a group name. */
const ALL_USERS = "*";

const PERMISSIONS = ["read", "write", "configure"];
const TAGS = ["management", "monitoring", "policymaker", "administrator"];

/**
 * A name pattern of RabbitMQ's OAuth 2 plugin: * matches any text, %XX is a byte, and + would be a space. A slash would
 * start the next part of the scope.
 */
const NAME_PATTERN = /^(?:[^\s/+#%\p{Cc}\p{Cs}]|%[0-9a-f]{2})+$/iu;

/** The error in an entry of `broker_settings.scopes`; undefined if it is valid. */
export function scopeFault(entry: string): string | undefined {
  const [kind, rest] = halves(entry);
  if (kind === "tag") return TAGS.includes(rest) ? undefined : `must be tag: with one of ${TAGS.join(", ")}`;
  if (!PERMISSIONS.includes(kind)) return "must begin with read:, write:, configure: or tag:";
  const parts = rest.split("/");
  if (parts.length > 2)
    return "must be name or name/routing key: authmq adds the vhost; write a slash in a name as %2F";
  return parts.every((part) => NAME_PATTERN.test(part))
    ? undefined
    : "must have a name pattern: * matches any text; write space, +, # and % as %20, %2B, %23 and %25";
}

/** The OAuth 2 scopes of users in these groups on a vhost; empty if the vhost is not in `vhosts`. */
export function brokerScopes(
  { resourceServerId, scopes, vhosts }: BrokerTokenConfig,
  groups: readonly string[],
  vhost: string,
): string[] {
  if (!vhosts.includes(vhost)) return [];
  const entries = new Set([ALL_USERS, ...groups].flatMap((group) => scopes.get(group) ?? []));
  // encodeURIComponent leaves the asterisk, which is a wildcard for the plugin.
  const encoded = encodeURIComponent(vhost).replaceAll("*", "%2A");
  return Array.from(entries, (entry) => `${resourceServerId}.${onVhost(entry, encoded)}`);
}

function onVhost(entry: string, vhost: string): string {
  const [kind, rest] = halves(entry);
  if (kind === "tag") return entry;
  // Without a routing key pattern, RabbitMQ 3.10 rejects all routing keys on topic exchanges.
  const [names = "", routingKeys = "*"] = rest.split("/");
  return `${kind}:${vhost}/${names}/${routingKeys}`;
}

function halves(entry: string): [string, string] {
  const end = entry.indexOf(":");
  return end < 0 ? [entry, ""] : [entry.slice(0, end), entry.slice(end + 1)];
}
