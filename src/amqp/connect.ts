import { type ChannelModel, connect } from "amqplib";
import type { Config } from "../config/load.ts";

/** Connects to the configured broker for a purpose, which its management pages show; rejects after `timeout` ms. */
export function connectBroker(
  amqp: Config["amqp"],
  { purpose, timeout }: { purpose: string; timeout: number },
): Promise<ChannelModel> {
  return connect(
    {
      protocol: amqp.ca === undefined ? "amqp" : "amqps",
      hostname: amqp.host,
      port: amqp.port,
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
}
