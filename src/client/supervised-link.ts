import { setTimeout as sleep } from "node:timers/promises";
import { type BrokerNode, formatNode } from "../wire/broker-node.ts";
import type { BrokerAddress } from "./address.ts";
import { NoReplyError } from "./errors.ts";
import { Limit } from "./limit.ts";
import { type Link, openLink } from "./link.ts";
import { Waiters } from "./waiters.ts";

/** So long one node may take until it is connected, in milliseconds; a hung one holds up those behind it. */
const CONNECT_TIMEOUT = 3000;
const FIRST_DELAY = 200;
const MAX_DELAY = 2000;

/** A connection that lives shorter was as good as none, in milliseconds: it does not end the growth of the delays. */
const SETTLED = 5000;

/** What the broker says when it refuses the user or the vhost. */
const REFUSALS = /ACCESS[-_]REFUSED|NOT[-_]ALLOWED/;

/** A limit of connections or channels: others may close theirs. */
const LIMITS = /\blimit\b/;

/** A link that comes back by itself, to one node after the other and with growing delays, until it is closed. */
export class SupervisedLink {
  readonly #address: BrokerAddress;
  readonly #closed = new AbortController();
  readonly #loop: Promise<void>;
  readonly #waiters = new Waiters<Link>();
  #link: Link | undefined;
  /** Why there will be no link any more. */
  #end: NoReplyError | undefined;
  #fault: unknown = new Error("it is not connected yet");

  constructor(address: BrokerAddress) {
    this.#address = address;
    this.#loop = this.#run();
  }

  /** Why there is no connection now; undefined when there is one. */
  get fault(): unknown {
    return this.#fault;
  }

  /** The open link, as soon as there is one; rejects when the broker refuses the very first one, and from the close on. */
  async open(limit: Limit): Promise<Link> {
    if (this.#end !== undefined) throw this.#end;
    return this.#link === undefined ? this.#waiters.wait(limit) : limit.race(Promise.resolve(this.#link));
  }

  /** Closes the connection and ends the attempts; complete on return, however the broker behaves. */
  async close(): Promise<void> {
    const reason = new NoReplyError("the client is closed");
    this.#finish(reason);
    this.#closed.abort(reason);
    await this.#link?.close();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closed;
    const { nodes } = this.#address;
    let hadOne = false;
    let failures = 0;
    for (let turn = 0; !signal.aborted; turn++) {
      // Options are checked: there is at least one node.
      const node = nodes[turn % nodes.length];
      if (node === undefined) break;
      failures++;
      try {
        const since = performance.now();
        await this.#live(node);
        hadOne = true;
        if (performance.now() - since > SETTLED) failures = 0;
      } catch (error) {
        this.#fault = error;
        if (!hadOne && error instanceof Error && isRefusal(error.message)) {
          this.#finish(refusal(this.#address, node, error));
          return;
        }
      }
      // The next node may be well: there is no pause before every one has had its turn.
      if (failures % nodes.length > 0) continue;
      const rounds = Math.max(0, failures / nodes.length - 1);
      const delay = Math.min(MAX_DELAY, FIRST_DELAY * 2 ** rounds) * (0.5 + Math.random() / 2);
      await sleep(delay, undefined, { signal }).catch(() => undefined);
    }
  }

  #finish(reason: NoReplyError): void {
    this.#end ??= reason;
    this.#waiters.reject(this.#end);
  }

  /** Opens a link to a node and resolves when it is gone. */
  async #live(node: BrokerNode): Promise<void> {
    const link = await this.#connect(node);
    if (this.#closed.signal.aborted) return link.close(); // by whom it was not seen yet
    this.#link = link;
    this.#fault = undefined;
    this.#waiters.resolve(link);
    this.#fault = await link.lost;
    this.#link = undefined;
  }

  async #connect(node: BrokerNode): Promise<Link> {
    const timeout = (): Error => new Error(`${formatNode(node)} did not answer within ${CONNECT_TIMEOUT} ms`);
    using limit = new Limit(CONNECT_TIMEOUT, timeout, this.#closed.signal);
    return await openLink(this.#address, node, limit);
  }
}

function isRefusal(message: string): boolean {
  return REFUSALS.test(message) && !LIMITS.test(message);
}

function refusal({ username, vhost }: BrokerAddress, node: BrokerNode, cause: Error): NoReplyError {
  return new NoReplyError(
    `the broker at ${formatNode(node)} refuses the user "${username}" on the vhost "${vhost}": ` +
      `${cause.message}. Check the username, the password, the vhost and the user's permissions`,
    { cause },
  );
}
