import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { type ChannelModel, connect } from "amqplib";
import type { Config } from "../config/load.ts";
import type { BrokerNode } from "../wire/broker-node.ts";
import { keepCloseReasons } from "../wire/close-reason.ts";
import { coalesceWrites } from "./write-coalescing.ts";
import { skipUnreadableHeaders } from "./header-workaround.ts";

const CLOSE_TIMEOUT = 2000;

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

/**
 * Closes a connection; destroys the socket after two seconds. A hung broker never answers the close, nor does one that
 * closes the connection at the same moment.
 */
export async function closeBroker(model: ChannelModel): Promise<void> {
  const answered = await Promise.race([
    model.close().then(
      () => true,
      () => true,
    ),
    sleep(CLOSE_TIMEOUT, false, { ref: false }),
  ]);
  const connection: object = model.connection;
  if (!answered && "stream" in connection && connection.stream instanceof Duplex)
    connection.stream.destroy(new Error("the broker did not answer the close"));
}
