import { type NodeFacts, probeNode, probeQueues } from "../../amqp/probe.ts";
import { type BrokerNode, formatNode } from "../../config/broker-node.ts";
import type { Config } from "../../config/load.ts";
import { adviceOn, DEADLINE, inTime, isExposed, textOf } from "./connection.ts";
import { type Finding, findingsOn } from "./finding.ts";
import { queueFindings } from "./queues.ts";

const on = findingsOn("broker");

/** Whether the broker's nodes take this installation's user, its queues fit, and somebody works on them. */
export async function brokerFindings({ amqp, queues }: Config): Promise<Finding[]> {
  const nodes = await Promise.all(amqp.nodes.map((node) => examineNode(amqp, node)));
  const first = nodes.find((one) => "facts" in one);
  if (first === undefined) return nodes.map(({ finding }) => finding);
  const findings = nodes.map((one): Finding => {
    // Its place is taken by the next one.
    return "facts" in one ? one.finding : { ...one.finding, status: "warn" };
  });
  if (amqp.nodes.some(({ host }) => isExposed(host, amqp.tls))) {
    findings.push(
      on.warn(
        "passwords and tokens go to the broker in clear text",
        "Set amqp_settings.ca_file or tls, and the TLS port; or give an amqps:// URL.",
      ),
    );
  }
  try {
    const found = await inTime(probeQueues(amqp, first.node, [...queues.values()], DEADLINE));
    return [...findings, ...queueFindings(amqp.queues, first.facts, found)];
  } catch (error) {
    return [...findings, refused(amqp, formatNode(first.node), error)];
  }
}

type ExaminedNode =
  | { readonly node: BrokerNode; readonly finding: Finding; readonly facts: NodeFacts }
  | { readonly finding: Finding };

async function examineNode(amqp: Config["amqp"], node: BrokerNode): Promise<ExaminedNode> {
  const address = formatNode(node);
  try {
    const facts = await inTime(probeNode(amqp, node, DEADLINE));
    const { product, version } = facts;
    const tls = amqp.tls ? "TLS" : "no TLS";
    const finding = on.ok(
      `${product} ${version} at ${address}, vhost ${amqp.vhost}, as ${amqp.username}, ${tls}`,
    );
    return { node, finding, facts };
  } catch (error) {
    return { finding: refused(amqp, address, error) };
  }
}

function refused(amqp: Config["amqp"], address: string, error: unknown): Finding {
  const text = textOf(error, address);
  // The broker gives its reason for refusing a vhost, and amqplib drops it.
  if (/ConnectionOpenOk|NOT[-_]ALLOWED/.test(text)) {
    return on.fail(
      `${address} has no vhost ${amqp.vhost}, or keeps ${amqp.username} out of it`,
      `Check amqp_settings.vhost; on the broker: rabbitmqctl list_permissions -p ${amqp.vhost}`,
    );
  }
  if (/Handshake terminated.*ACCESS[-_]REFUSED/.test(text)) {
    const guest =
      amqp.username === "guest" ? " The user guest may come only from the broker's own host." : "";
    return on.fail(
      `${address} refuses the user ${amqp.username} with this password`,
      `Check amqp_settings.username and password.${guest}`,
    );
  }
  if (/ACCESS[-_]REFUSED/.test(text)) {
    return on.fail(
      `${address} keeps ${amqp.username} from the queues: ${text}`,
      `Give it rights: rabbitmqctl set_permissions -p ${amqp.vhost} ${amqp.username} ".*" ".*" ".*"`,
    );
  }
  return on.fail(
    `cannot reach ${address}: ${text}`,
    adviceOn(text, {
      address: "amqp_settings.host and port",
      ca: "amqp_settings.ca_file",
      tls: "amqp_settings.ca_file and the port for TLS",
    }),
  );
}
