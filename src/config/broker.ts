import { readCa } from "./ca.ts";
import type { ConfigFault } from "./fault.ts";
import { type BrokerNode, parseNode } from "./broker-node.ts";
import type { AmqpConfig } from "./schema.ts";

/** The broker, checked: its nodes in the order to try them, and the CA is read. */
export interface BrokerConfig extends Omit<AmqpConfig, "host" | "port"> {
  readonly nodes: readonly [BrokerNode, ...BrokerNode[]];
  readonly ca: Buffer | undefined;
}

/** Checks the section as a whole; what is wrong goes into `faults`. */
export function readBroker(
  settings: AmqpConfig | undefined,
  folder: string,
  faults: ConfigFault[],
): BrokerConfig | undefined {
  if (settings === undefined) return undefined;
  const { host, port, ...rest } = settings;
  const [first, ...others] = [host].flat().flatMap((text) => parseNode(text, port) ?? []);
  const ca = readCa(settings.ca_file, "amqp_settings", folder, faults);
  return first && { ...rest, nodes: [first, ...others], ca };
}
