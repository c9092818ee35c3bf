import { formatNode } from "../wire/broker-node.ts";
import type { BrokerAddress } from "./address.ts";
import { NoReplyError } from "./errors.ts";
import { Limit } from "./limit.ts";
import { type Link, openLink } from "./link.ts";
import type { RpcReply } from "./reply.ts";

/** Timeout for connecting to any of the nodes, in milliseconds. */
const CONNECT_TIMEOUT = 5000;

/** Calls queues over one connection, without retries. */
export interface RpcClient extends AsyncDisposable {
  /** The reply to a JSON body; rejects with a NoReplyError after `timeout` ms. `key` is the idempotency key. */
  call(queue: string, body: string, timeout: number, key?: string): Promise<RpcReply>;
  /** Closes the connection; may be called twice. */
  close(): Promise<void>;
}

/** Connects to the first node that accepts; rejects with a NoReplyError after five seconds. */
export async function connectRpc(address: BrokerAddress): Promise<RpcClient> {
  const link = await openFirst(address);
  const close = (): Promise<void> => link.close();
  return {
    async call(queue, body, timeout, key) {
      using limit = new Limit(timeout, () => new NoReplyError(`no reply within ${timeout} ms`));
      return await link.request({ queue, body, key }, limit);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function openFirst(address: BrokerAddress): Promise<Link> {
  const { nodes } = address;
  const deadline = performance.now() + CONNECT_TIMEOUT;
  const errors: unknown[] = [];
  for (const [index, node] of nodes.entries()) {
    // A hung node must leave time for the next ones.
    const share = Math.max(1, Math.ceil((deadline - performance.now()) / (nodes.length - index)));
    using limit = new Limit(share, () => new Error(`${formatNode(node)} did not answer within ${share} ms`));
    try {
      return await openLink(address, node, limit);
    } catch (error) {
      errors.push(error);
    }
  }
  throw new NoReplyError(`cannot connect to the broker at ${nodes.map(formatNode).join(", ")}`, {
    cause: new AggregateError(errors),
  });
}
