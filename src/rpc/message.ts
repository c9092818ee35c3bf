import type { Fingerprints } from "../tokens/fingerprint.ts";
import type { QueueName } from "../wire/queues.ts";
import type { Incoming } from "./envelope.ts";

/** A request as a message in a queue. */
export class Message {
  readonly queue: QueueName;
  readonly incoming: Incoming;
  readonly fingerprints: Fingerprints;
  #key: Buffer | undefined;

  constructor(queue: QueueName, incoming: Incoming, fingerprints: Fingerprints) {
    this.queue = queue;
    this.incoming = incoming;
    this.fingerprints = fingerprints;
  }

  /** The digest of the message, equal for each of its deliveries; computed once, on demand. */
  get key(): Buffer {
    const { userId, properties, body } = this.incoming;
    return (this.#key ??= this.fingerprints.of("message", this.queue, userId, ...properties, body));
  }
}
