import { type ChannelModel, connect } from "amqplib";
import type { Config } from "../config/load.ts";
import type { BrokerNode } from "../wire/broker-node.ts";
import { keepCloseReasons } from "../wire/close-reason.ts";
import { coalesceWrites } from "./write-coalescing.ts";
import { skipUnreadableHeaders } from "./header-workaround.ts";

/** Connects to a broker node; `purpose` is shown in the management UI. Rejects after `timeout` ms. */
export async function connectBroker(
  amqp: Config["amqp"],
  { host, port }: BrokerNode,
  { purpose, timeout }: { purpose: string; timeout: number },
): Promise<ChannelModel> {
  keepCloseReasons();
  const model = await connect(
    {
      protocol: amqp.tls ? "amqps" : "amqp",
      hostname: host,
      port,
      username: amqp.username,
      password: amqp.password,
      vhost: encodeURIComponent(amqp.vhost),
      heartbeat: amqp.heartbeat,
    },
    {
      noDelay: true,
      keepAlive: true,
      timeout,
      clientProperties: { connection_name: `${amqp.connection_name} ${purpose}` },
      ...(amqp.ca === undefined ? {} : { ca: [amqp.ca], rejectUnauthorized: true }),
    },
  );
  skipUnreadableHeaders(model);
  coalesceWrites(model);
  return model;
}
