import { setTimeout as sleep } from "node:timers/promises";

const FIRST_DELAY = 200;
const MAX_DELAY = 2000;

/** A connection that closes within this many milliseconds counts as a failed attempt: delays keep growing. */
const SETTLED = 5000;

interface Connecting<Node, Loss> {
  /** The nodes, in the order of attempts. */
  readonly nodes: readonly Node[];
  /** Stops reconnecting. The caller that aborts it must also close the current connection. */
  readonly signal: AbortSignal;
  /** Connects to a node and sets up; `lost` resolves with the reason when that connection closes, and never rejects. */
  readonly open: (node: Node) => Promise<{ readonly lost: Promise<Loss> }>;
  /** Whether an error of `open` is a refusal that a retry cannot change. */
  readonly isRefusal: (error: unknown) => boolean;
  /** Called when connecting to a node failed, unless the loop ends with a refusal. */
  readonly onFailure: (node: Node, error: unknown) => void;
  /** Called when a connection has closed; `hasSettled` is true when it was open for more than five seconds. */
  readonly onLost: (node: Node, reason: Loss, hasSettled: boolean) => void;
}

/** A node that refused the connection, and its error. */
export interface Refused<Node> {
  readonly node: Node;
  readonly error: unknown;
}

/**
 * Keeps one connection open: tries the nodes in turn, with growing delays. Resolves when the signal aborts, or with a
 * refusal if no connection was ever open. After the first connection it retries refusals too.
 */
export async function keepConnected<Node, Loss>({
  nodes,
  signal,
  open,
  isRefusal,
  onFailure,
  onLost,
}: Connecting<Node, Loss>): Promise<Refused<Node> | undefined> {
  let wasConnected = false;
  let failures = 0;
  for (let turn = 0; !signal.aborted; turn++) {
    const node = nodes[turn % nodes.length];
    if (node === undefined) break; // the list is empty
    failures++;
    try {
      const { lost } = await open(node);
      wasConnected = true;
      const since = performance.now();
      const reason = await lost;
      const hasSettled = performance.now() - since > SETTLED;
      if (hasSettled) failures = 0;
      onLost(node, reason, hasSettled);
    } catch (error) {
      if (!wasConnected && isRefusal(error)) return { node, error };
      onFailure(node, error);
    }
    // Try every node before the first pause: the next one may work.
    if (failures % nodes.length > 0) continue;
    await sleep(delayAfter(failures / nodes.length), undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}

/** In milliseconds, shortened by up to half at random, so that clients do not all reconnect at the same time. */
function delayAfter(rounds: number): number {
  return Math.min(MAX_DELAY, FIRST_DELAY * 2 ** Math.max(0, rounds - 1)) * (0.5 + Math.random() / 2);
}
