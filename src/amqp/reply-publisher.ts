import { setTimeout as sleep } from "node:timers/promises";
import type { Metrics } from "../observability/metrics.ts";
import { withChannel } from "./with-channel.ts";
import { explain } from "./broker-reason.ts";
import type { ConnectionOptions } from "./connection.ts";
import { Publisher } from "./publisher.ts";
import { checkWritePermission } from "./write-permission.ts";

/** Timeout of the check whether a queue exists, in milliseconds. */
const CHECK_TIMEOUT = 2000;

interface ReplyPublisherOptions extends ConnectionOptions {
  /** Whether replies in flight are sent again after a reconnect. */
  readonly resend: boolean;
}

/** Publishes replies to the default exchange; counts lost and unroutable ones. */
export class ReplyPublisher extends Publisher {
  readonly #metrics: Metrics;

  constructor(options: ReplyPublisherOptions) {
    const { amqp, metrics, log } = options;
    super({
      ...options,
      exchange: "",
      prepare: (model) => checkWritePermission(model, "", "authmq"),
      reopens: { what: "connection", after: 0 },
      onBlocked: (text) => {
        const { reason, advice } = explain(text, undefined, amqp);
        log.warn({ reason, advice }, "the broker blocks publishing: replies wait");
      },
      onReturned: () => metrics.count("replies_unroutable_total"),
    });
    this.#metrics = metrics;
  }

  override async send(...message: Parameters<Publisher["send"]>): Promise<boolean> {
    const isConfirmed = await super.send(...message);
    if (!isConfirmed) this.#metrics.count("replies_lost_total");
    return isConfirmed;
  }

  /** Whether a queue exists; true when the broker does not answer. */
  async hasQueue(name: string): Promise<boolean> {
    if (this.model === undefined) return true;
    const exists = withChannel(this.model, (channel) => channel.checkQueue(name)).then(
      () => true,
      // Other errors mean that it exists: 405 RESOURCE_LOCKED is another connection's exclusive queue.
      (error: unknown) => !(error instanceof Error && "code" in error && error.code === 404),
    );
    // The request continues when the broker does not answer.
    return Promise.race([exists, sleep(CHECK_TIMEOUT, true, { ref: false })]);
  }
}
