import { type ExchangeFacts, type Permission, probeExchange, type QueueFacts } from "../../amqp/probe.ts";
import type { Config } from "../../config/load.ts";
import type { BrokerNode } from "../../wire/broker-node.ts";
import { DEADLINE } from "./connection.ts";
import { type Finding, findingsOn } from "./finding.ts";

const on = findingsOn("broker");

/** What each permission allows, as a verb before queue names. */
const MEANING: Readonly<Record<Permission, string>> = {
  configure: "declare",
  read: "consume",
  write: "publish to",
};

/** Checks that the user may declare and consume queues, publish replies, and publish to the configured exchanges. */
export async function permissionFindings(
  { amqp, events, log }: Pick<Config, "amqp" | "events" | "log">,
  node: BrokerNode,
  queues: ReadonlyMap<string, QueueFacts>,
): Promise<Finding[]> {
  const probe = (exchange: string, routingKey: string): Promise<ExchangeFacts> =>
    probeExchange(amqp, node, exchange, routingKey, DEADLINE);
  const findings = (["configure", "read"] as const).flatMap((permission) =>
    queuesFindings(amqp, permission, queues),
  );
  if ((await probe("", "authmq")).denied.includes("write"))
    findings.push(denied(amqp, "write", "the default exchange, so no reply arrives"));
  if (events.publish) {
    const facts = await probe(events.exchange, "user.created");
    for (const permission of facts.denied)
      findings.push(
        denied(amqp, permission, `the exchange ${events.exchange}, so events wait in the database`),
      );
  }
  if (log.handler === "amqp") findings.push(...(await logFindings(amqp, log, probe)));
  return findings;
}

async function logFindings(
  amqp: Config["amqp"],
  { handler_settings: { exchange, logger } }: Config["log"],
  probe: (exchange: string, routingKey: string) => Promise<ExchangeFacts>,
): Promise<Finding[]> {
  const facts = await probe(exchange, `${logger}.info`);
  if (!facts.exists) {
    const advice = "Declare it as a topic exchange, or check log_settings.handler_settings.exchange.";
    return [on.fail(`there is no exchange ${exchange} for the log, so it goes to stderr`, advice)];
  }
  if (!facts.denied.includes("write")) return [];
  return [denied(amqp, "write", `the exchange ${exchange}, so the log goes to stderr`)];
}

function queuesFindings(
  amqp: Config["amqp"],
  permission: "configure" | "read",
  queues: ReadonlyMap<string, QueueFacts>,
): Finding[] {
  const names = [...queues].filter(([, facts]) => facts.denied.includes(permission)).map(([name]) => name);
  if (names.length === 0) return [];
  const which = names.length === queues.size ? `any of the ${names.length} queues` : names.join(", ");
  return [denied(amqp, permission, which)];
}

function denied({ username, vhost }: Config["amqp"], permission: Permission, what: string): Finding {
  return on.fail(
    `${username} may not ${MEANING[permission]} ${what}: it has no ${permission} permission there`,
    `Grant it: rabbitmqctl set_permissions -p ${vhost} ${username} CONFIGURE WRITE READ, with ".*" or patterns ` +
      `that match (list_permissions -p ${vhost} shows the current ones).`,
  );
}
