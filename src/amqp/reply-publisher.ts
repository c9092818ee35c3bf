import { setTimeout as sleep } from "node:timers/promises";
import type { Metrics } from "../observability/metrics.ts";
import { askBroker } from "./ask-broker.ts";
import { explain } from "./broker-reason.ts";
import type { ConnectionOptions } from "./connection.ts";
import { Publisher } from "./publisher.ts";
import { checkWritePermission } from "./write-permission.ts";

/** Timeout of the check whether a queue exists, in milliseconds. */
const CHECK_TIMEOUT = 2000;

interface ReplyPublisherOptions extends ConnectionOptions {
  /** Whether a reply that was under way when the connection broke is sent again on the next one. */
  readonly resend: boolean;
}

/** Publishes replies to the default exchange, and counts those that are lost or return. */
export class ReplyPublisher extends Publisher {
  readonly #metrics: Metrics;

  constructor(options: ReplyPublisherOptions) {
    const { amqp, metrics, log } = options;
    super({
      ...options,
      exchange: "",
      prepare: (model) => checkWritePermission(model, "", "authmq"),
      renews: { what: "connection", after: 0 },
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

  /** Whether a queue of this name is there; true as well when that cannot be told. */
  async hasQueue(name: string): Promise<boolean> {
    if (this.model === undefined) return true;
    const isThere = askBroker(this.model, (channel) => channel.checkQueue(name)).then(
      () => true,
      // 405 RESOURCE_LOCKED, for example, is somebody else's exclusive queue: it is there.
      (error: unknown) => !(error instanceof Error && "code" in error && error.code === 404),
    );
    // The caller has work to do: it does not wait for a broker that does not answer.
    return Promise.race([isThere, sleep(CHECK_TIMEOUT, true, { ref: false })]);
  }
}
