import { setTimeout as sleep } from "node:timers/promises";

const FIRST_DELAY = 200;
const MAX_DELAY = 2000;

/** A connection that lives shorter was as good as none, in milliseconds: it does not end the growth of the delays. */
const SETTLED = 5000;

interface Connecting<Node, Loss> {
  /** In the order to try them. */
  readonly nodes: readonly Node[];
  /** Ends the attempts; whoever aborts it closes the present connection, too. */
  readonly signal: AbortSignal;
  /** Connects to a node and sets up; `lost` resolves when that connection is gone, with why, and never rejects. */
  readonly open: (node: Node) => Promise<{ readonly lost: Promise<Loss> }>;
  /** Whether an error of `open` is a refusal, which waiting will not end. */
  readonly isRefusal: (error: unknown) => boolean;
  /** Told why a node gave no connection, unless that ends the attempts. */
  readonly onFailure: (node: Node, error: unknown) => void;
  /** Told why a connection is gone, and whether it had lived long enough to count. */
  readonly onLost: (node: Node, reason: Loss, hasSettled: boolean) => void;
}

/** A node that refuses, and how it says so. */
export interface Refused<Node> {
  readonly node: Node;
  readonly error: unknown;
}

/**
 * Keeps one connection, to one node after the other and with growing delays. Resolves at the signal, or with the refusal of
 * a node as long as there was no connection at all: from then on a refusal is like a broker that is away.
 */
export async function keepConnected<Node, Loss>({
  nodes,
  signal,
  open,
  isRefusal,
  onFailure,
  onLost,
}: Connecting<Node, Loss>): Promise<Refused<Node> | undefined> {
  let hadOne = false;
  let failures = 0;
  for (let turn = 0; !signal.aborted; turn++) {
    const node = nodes[turn % nodes.length];
    if (node === undefined) break; // there are none at all
    failures++;
    try {
      const { lost } = await open(node);
      hadOne = true;
      const since = performance.now();
      const reason = await lost;
      const hasSettled = performance.now() - since > SETTLED;
      if (hasSettled) failures = 0;
      onLost(node, reason, hasSettled);
    } catch (error) {
      if (!hadOne && isRefusal(error)) return { node, error };
      onFailure(node, error);
    }
    // The next node may be well: there is no pause before every one has had its turn.
    if (failures % nodes.length > 0) continue;
    await sleep(delayAfter(failures / nodes.length), undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}

/** In milliseconds, with up to a half less: those who have lost the same broker do not come back all at once. */
function delayAfter(rounds: number): number {
  return Math.min(MAX_DELAY, FIRST_DELAY * 2 ** Math.max(0, rounds - 1)) * (0.5 + Math.random() / 2);
}
