import { type BrokerFacts, probeBroker } from "../../amqp/probe.ts";
import type { Config } from "../../config/load.ts";
import { adviceOn, DEADLINE, inTime, isExposed, textOf } from "./connection.ts";
import { type Finding, findingsOn } from "./finding.ts";

const on = findingsOn("broker");

/** Whether the broker takes this installation's user, and whether somebody works on its queues. */
export async function brokerFindings({ amqp, queues }: Config): Promise<Finding[]> {
  const address = `${amqp.host}:${amqp.port}`;
  let facts: BrokerFacts;
  try {
    facts = await inTime(probeBroker(amqp, [...queues.values()], DEADLINE));
  } catch (error) {
    return [refused(amqp, address, error)];
  }
  const { product, version, consumers } = facts;
  const tls = amqp.ca === undefined ? "no TLS" : "TLS";
  const findings = [
    on.ok(`${product} ${version} at ${address}, vhost ${amqp.vhost}, as ${amqp.username}, ${tls}`),
  ];
  if (isExposed(amqp.host, amqp.ca !== undefined)) {
    findings.push(
      on.warn(
        "passwords and tokens go to the broker in clear text",
        "Set amqp_settings.ca_file, and the TLS port.",
      ),
    );
  }
  return [...findings, workers(consumers)];
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

function workers(consumers: BrokerFacts["consumers"]): Finding {
  const idle = [...consumers].filter(([, count]) => count === undefined || count === 0).map(([name]) => name);
  if (idle.length === 0) {
    const least = Math.min(...[...consumers.values()].map((count) => count ?? 0));
    return on.ok(
      `${consumers.size} queues, each with ${least === 1 ? "a worker" : `${least} workers or more`}`,
    );
  }
  const which = idle.length === consumers.size ? `any of the ${idle.length} queues` : idle.join(", ");
  return on.warn(`no worker consumes ${which}`, "Start one: authmq serve");
}
