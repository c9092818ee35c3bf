import { type BrokerNode, formatNode } from "../wire/broker-node.ts";
import { keepConnected, type Refused } from "../wire/keep-connected.ts";
import type { BrokerAddress } from "./address.ts";
import { NoReplyError } from "./errors.ts";
import { Limit } from "./limit.ts";
import { type Link, openLink } from "./link.ts";
import { textFrom } from "./text-source.ts";
import { Waiters } from "./waiters.ts";

/** Timeout for connecting to one node, in milliseconds. Short, because a hung node delays the next ones. */
const CONNECT_TIMEOUT = 3000;

/** Timeout for a function that returns the password, in milliseconds: it may log in first. */
const PASSWORD_TIMEOUT = 10_000;

/** Errors for a refused user or vhost. In bundled code the broker's reason is missing (see wire/close-reason.ts). */
const REFUSALS = /ACCESS[-_]REFUSED|NOT[-_]ALLOWED|Expected ConnectionOpenOk; got <ConnectionClose/;

/** Errors for a limit of connections or channels, which may end when others close theirs. */
const LIMITS = /\blimit\b/;

/** A link that reconnects, trying the nodes in turn with growing delays, until it is closed. */
export class SupervisedLink {
  readonly #address: BrokerAddress;
  readonly #closed = new AbortController();
  readonly #loop: Promise<void>;
  readonly #waiters = new Waiters<Link>();
  #link: Link | undefined;
  /** Why it no longer reconnects. */
  #end: NoReplyError | undefined;
  #fault: unknown = new Error("not connected yet");

  constructor(address: BrokerAddress) {
    this.#address = address;
    this.#loop = this.#run();
  }

  /** Why there is no connection; undefined while there is one. */
  get fault(): unknown {
    return this.#fault;
  }

  /** Resolves with the open link; rejects when the broker refuses the first connection, and after the close. */
  async open(limit: Limit): Promise<Link> {
    if (this.#end !== undefined) throw this.#end;
    return this.#link === undefined ? this.#waiters.wait(limit) : limit.race(Promise.resolve(this.#link));
  }

  /** Closes the connection and stops reconnecting; complete on return, even if the broker hangs. */
  async close(): Promise<void> {
    const reason = new NoReplyError("the client is closed");
    this.#finish(reason);
    this.#closed.abort(reason);
    await this.#link?.close();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const refused = await keepConnected({
      nodes: this.#address.nodes,
      signal: this.#closed.signal,
      open: (node) => this.#open(node),
      isRefusal,
      onFailure: (_node, error) => (this.#fault = error),
      onLost: (_node, reason) => {
        this.#link = undefined;
        this.#fault = reason;
      },
    });
    if (refused !== undefined) this.#finish(refusal(this.#address, refused));
  }

  #finish(reason: NoReplyError): void {
    this.#end ??= reason;
    this.#waiters.reject(this.#end);
  }

  async #open(node: BrokerNode): Promise<Link> {
    const address = { ...this.#address, password: await this.#password() };
    const timeout = (): Error => new Error(`${formatNode(node)} did not answer within ${CONNECT_TIMEOUT} ms`);
    using limit = new Limit(CONNECT_TIMEOUT, timeout, this.#closed.signal);
    const link = await openLink(address, node, limit);
    if (this.#closed.signal.aborted) {
      await link.close(); // close() ran before this link was known
    } else {
      this.#link = link;
      this.#fault = undefined;
      this.#waiters.resolve(link);
    }
    return link;
  }

  async #password(): Promise<string> {
    const { password, newPassword } = this.#address;
    if (newPassword === undefined) return password;
    const timeout = (): Error => new Error(`password() did not settle within ${PASSWORD_TIMEOUT} ms`);
    using limit = new Limit(PASSWORD_TIMEOUT, timeout, this.#closed.signal);
    return await limit.race(textFrom("connect", "password", newPassword));
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof Error && REFUSALS.test(error.message) && !LIMITS.test(error.message);
}

function refusal({ username, vhost }: BrokerAddress, { node, error }: Refused<BrokerNode>): NoReplyError {
  const why = error instanceof Error ? error.message : String(error);
  return new NoReplyError(
    `the broker at ${formatNode(node)} refuses the user "${username}" on the vhost "${vhost}": ` +
      `${why}. Check the username, the password, the vhost and the user's permissions`,
    { cause: error },
  );
}
