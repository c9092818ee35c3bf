import { type BrokerNode, parseNode } from "../wire/broker-node.ts";
import { readCa } from "./ca.ts";
import type { Faults } from "./fault.ts";
import type { AmqpConfig } from "./schema.ts";
import { omit, type Section } from "./section.ts";

/** The validated broker settings: nodes in the order to try them, and the content of the CA file. */
export interface BrokerConfig extends Omit<AmqpConfig, "url" | "host" | "port" | "tls"> {
  readonly nodes: readonly [BrokerNode, ...BrokerNode[]];
  /** Whether connections use TLS; the broker's certificate is always verified. */
  readonly tls: boolean;
  /** Undefined for the CAs that Node trusts. */
  readonly ca: Buffer | undefined;
}

const SECTION = "amqp_settings";

/** Checks the section as a whole; adds errors to `faults`. */
export function readBroker(
  { parts = {}, whole }: Section<"amqp_settings">,
  folder: string,
  faults: Faults,
): BrokerConfig | undefined {
  const ca = readCa(parts.ca_file, SECTION, folder, faults);
  if (parts.tls === false && parts.ca_file !== undefined)
    faults.push({ path: `${SECTION}.tls`, msg: "is false, and ca_file is given: remove one of them" });
  if (whole === undefined) return undefined;
  const { host, port, tls, ...rest } = omit(whole, ["url"]);
  const [first, ...others] = [host].flat().flatMap((text) => parseNode(text, port) ?? []);
  return first && { ...rest, nodes: [first, ...others], tls: tls ?? ca !== undefined, ca };
}
