import { formatNode } from "../wire/broker-node.ts";
import type { BrokerAddress } from "./address.ts";
import { NoReplyError } from "./errors.ts";
import { Limit } from "./limit.ts";
import { type Link, openLink } from "./link.ts";
import type { RpcReply } from "./reply.ts";

/** So long a client may take until it is connected, to whichever node, in milliseconds. */
const CONNECT_TIMEOUT = 5000;

/** Calls queues over one connection, each request once, as it is. */
export interface RpcClient extends AsyncDisposable {
  /** The reply to a body of JSON within `timeout` ms, or a NoReplyError; a key makes a repeat one. */
  call(queue: string, body: string, timeout: number, key?: string): Promise<RpcReply>;
  /** Closes the connection; may be called twice. */
  close(): Promise<void>;
}

/** A client connected to the first node that takes it; rejects with a NoReplyError when none has after five seconds. */
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
    // One that hangs must leave time for those behind it.
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
