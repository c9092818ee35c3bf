import { type ChannelModel, connect } from "amqplib";
import type { BrokerNode } from "../wire/broker-node.ts";
import { keepCloseReasons } from "../wire/close-reason.ts";
import type { BrokerAddress } from "./address.ts";
import { Limit } from "./limit.ts";

/** How long to wait until the broker answers the close, in milliseconds. */
const CLOSE_TIMEOUT = 2000;

/** Connects to a node; the signal destroys the socket at any time. */
export async function dial(
  { username, password, vhost, ca, tls = ca !== undefined, heartbeat, connectionName }: BrokerAddress,
  { host, port }: BrokerNode,
  signal: AbortSignal,
): Promise<ChannelModel> {
  keepCloseReasons();
  const socket = {
    signal, // not in amqplib's types, but it passes all options to the socket
    noDelay: true,
    keepAlive: true,
    ...(connectionName === undefined ? {} : { clientProperties: { connection_name: connectionName } }),
    ...(ca === undefined ? {} : { ca: [ca], rejectUnauthorized: true }),
  };
  const place = {
    protocol: tls ? "amqps" : "amqp",
    hostname: host,
    port,
    username,
    password,
    vhost: encodeURIComponent(vhost),
    ...(heartbeat === undefined ? {} : { heartbeat }),
  };
  return connect(place, socket);
}

/** Closes a connection; destroys the socket after two seconds, because a hung broker never answers the close. */
export async function hangUp(model: ChannelModel, socket: AbortController): Promise<void> {
  using limit = new Limit(CLOSE_TIMEOUT, () => new Error("the broker did not answer the close"));
  // It may be closed already.
  await limit.race(model.close()).catch(() => undefined);
  socket.abort();
}
