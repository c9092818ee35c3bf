import { channelsNeeded, readReason } from "../../amqp/broker-reason.ts";
import { type NodeFacts, probeCapacity, probeNode, probeQueues } from "../../amqp/probe.ts";
import type { Config } from "../../config/load.ts";
import { type BrokerNode, formatNode } from "../../wire/broker-node.ts";
import { adviceOn, DEADLINE, withDeadline, isExposed, textOf } from "./connection.ts";
import { type Finding, findingsOn } from "./finding.ts";
import { permissionFindings } from "./permissions.ts";
import { queueFindings } from "./queues.ts";

const on = findingsOn("broker");

/** Checks that the broker accepts the user, queues fit, permissions and limits suffice, and workers consume. */
export async function brokerFindings(config: Config): Promise<Finding[]> {
  const { amqp, queues } = config;
  const nodes = await Promise.all(amqp.nodes.map((node) => examineNode(amqp, node)));
  const first = nodes.find((one) => "facts" in one);
  if (first === undefined) return nodes.map(({ finding }) => finding);
  const findings = nodes.map((one): Finding => {
    // Another node is reachable, so this is only a warning.
    return "facts" in one ? one.finding : { ...one.finding, status: "warn" };
  });
  if (amqp.nodes.some(({ host }) => isExposed(host, amqp.tls))) {
    findings.push(
      on.warn(
        "passwords and tokens go to the broker in clear text",
        "Set amqp_settings.ca_file or tls, and the TLS port; or use an amqps:// URL.",
      ),
    );
  }
  const { node, facts } = first;
  try {
    const found = await withDeadline(probeQueues(amqp, node, [...queues.values()], DEADLINE));
    findings.push(...queueFindings(amqp.queues, facts, found));
    findings.push(...(await withDeadline(permissionFindings(config, node, found))));
    const isServed = [...found.values()].every(({ consumers }) => consumers > 0);
    findings.push(...(await withDeadline(capacityFindings(amqp, node, queues.size, isServed))));
    return findings;
  } catch (error) {
    return [...findings, refused(amqp, formatNode(node), error)];
  }
}

/** Checks that a worker can open its connections and channels; only a warning if running workers use them up. */
async function capacityFindings(
  amqp: Config["amqp"],
  node: BrokerNode,
  queues: number,
  isServed: boolean,
): Promise<Finding[]> {
  const channels = channelsNeeded(queues);
  const error = await probeCapacity(amqp, node, channels, DEADLINE);
  if (error === undefined) return [];
  const reason = readReason(error, amqp);
  if (reason === undefined) throw error;
  const sum = channels.reduce((all, count) => all + count, 0);
  const what = `${formatNode(node)} does not allow a worker's ${channels.length} connections and ${sum} channels`;
  return [
    isServed
      ? on.warn(`${what} in addition to the running workers: ${reason.reason}`, reason.advice)
      : on.fail(`${what}: ${reason.reason}`, reason.advice),
  ];
}

type ExaminedNode =
  | { readonly node: BrokerNode; readonly finding: Finding; readonly facts: NodeFacts }
  | { readonly finding: Finding };

async function examineNode(amqp: Config["amqp"], node: BrokerNode): Promise<ExaminedNode> {
  const address = formatNode(node);
  try {
    const facts = await withDeadline(probeNode(amqp, node, DEADLINE));
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
  const reason = readReason(error, amqp);
  if (reason !== undefined) {
    const who = /Login was refused/.test(reason.reason) ? `the user ${amqp.username} with this password` : "";
    return on.fail(`${address} refuses ${who || amqp.username}: ${reason.reason}`, reason.advice);
  }
  const text = textOf(error, address);
  return on.fail(
    `cannot reach ${address}: ${text}`,
    adviceOn(text, {
      address: "amqp_settings.host and port",
      ca: "amqp_settings.ca_file",
      tls: "amqp_settings.ca_file and the port for TLS",
    }),
  );
}
