import { TLS_PORT } from "../wire/broker-node.ts";
import { type Option, readServerUrl, type ReadUrl } from "./connection-url.ts";

/** The conventional environment variable for the broker's URL. */
export const BROKER_VARIABLE = "AMQP_URL";

/** The keys of `amqp_settings` that a URL can give. */
export const BROKER_URL_KEYS = ["host", "port", "username", "password", "vhost", "tls"] as const;

/** RabbitMQ's URI query parameters that are supported. */
const OPTIONS: ReadonlyMap<string, Option> = new Map<string, Option>([
  [
    "heartbeat",
    (value) => (/^\d{1,9}$/.test(value) ? { heartbeat: Number(value) } : "must be a whole number of seconds"),
  ],
  ["cacertfile", (value) => (value === "" ? "must name a file" : { ca_file: value })],
  [
    "verify",
    (value) => (value === "verify_peer" ? {} : "must be verify_peer: authmq always verifies the certificate"),
  ],
]);

/** Reads the keys of `amqp_settings` from amqp://user:password@host:port/vhost, or amqps:// for TLS. */
export function readBrokerUrl(text: string): ReadUrl {
  const { address, keys, faults } = readServerUrl(text, {
    schemes: ["amqp", "amqps"],
    example: "amqp://user:password@host:5672/vhost or amqps://",
    place: "vhost",
    options: OPTIONS,
  });
  if (address === undefined) return { keys, faults };
  const { scheme, host, port, username, password, place } = address;
  const tls = scheme === "amqps";
  const stated = {
    host,
    port: port ?? (tls ? TLS_PORT : undefined),
    username: username || undefined,
    password,
    vhost: place || undefined,
    ...(tls ? { tls } : {}),
    ...keys,
  };
  return {
    keys: Object.fromEntries(Object.entries(stated).filter(([, value]) => value !== undefined)),
    faults,
  };
}
