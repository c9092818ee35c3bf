/** Which broker tokens this installation gives. */
export interface BrokerTokenConfig {
  readonly resourceServerId: string;
  /** Entries by group. */
  readonly scopes: ReadonlyMap<string, readonly string[]>;
  readonly vhosts: readonly string[];
  /** Seconds. */
  readonly lifetime: number;
}

/** In the place of a group's name. */
const EVERYBODY = "*";

const PERMISSIONS = ["read", "write", "configure"];
const TAGS = ["management", "monitoring", "policymaker", "administrator"];

/**
 * Names as the broker's plugin compares them: * is any text, %XX a byte, and a + would be a space. A slash ends them; it
 * would move what is before it to where the vhost stands.
 */
const NAMES = /^(?:[^\s/+#%\p{Cc}\p{Cs}]|%[0-9a-f]{2})+$/iu;

/** What is wrong with an entry of `broker_settings.scopes`; undefined when nothing is. */
export function scopeFault(entry: string): string | undefined {
  const [kind, rest] = halves(entry);
  if (kind === "tag") return TAGS.includes(rest) ? undefined : `must be tag: with one of ${TAGS.join(", ")}`;
  if (!PERMISSIONS.includes(kind)) return "must begin with read:, write:, configure: or tag:";
  const parts = rest.split("/");
  if (parts.length > 2)
    return "must be names, or names/routing keys: the vhost is put in, and a slash in a name is %2F";
  return parts.every((part) => NAMES.test(part))
    ? undefined
    : "must have a pattern of names: * is any text, and spaces, +, # and % are written %20, %2B, %23 and %25";
}

/** The scopes that members of these groups have on a vhost, as the broker's plugin reads them: none where it may not be. */
export function brokerScopes(
  { resourceServerId, scopes, vhosts }: BrokerTokenConfig,
  groups: readonly string[],
  vhost: string,
): string[] {
  if (!vhosts.includes(vhost)) return [];
  const entries = new Set([EVERYBODY, ...groups].flatMap((group) => scopes.get(group) ?? []));
  // The only character that means something to the plugin and that encodeURIComponent leaves.
  const encoded = encodeURIComponent(vhost).replaceAll("*", "%2A");
  return Array.from(entries, (entry) => `${resourceServerId}.${onVhost(entry, encoded)}`);
}

function onVhost(entry: string, vhost: string): string {
  const [kind, rest] = halves(entry);
  if (kind === "tag") return entry;
  // Without a pattern for routing keys RabbitMQ 3.10 refuses them all on topic exchanges.
  const [names = "", routingKeys = "*"] = rest.split("/");
  return `${kind}:${vhost}/${names}/${routingKeys}`;
}

function halves(entry: string): [string, string] {
  const end = entry.indexOf(":");
  return end < 0 ? [entry, ""] : [entry.slice(0, end), entry.slice(end + 1)];
}
