import type { Config } from "../config/load.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../observability/log.ts";
import { readReason } from "./broker-reason.ts";
import { RepeatedCauses } from "./repeated-causes.ts";
import { QueueMismatchError } from "./topology.ts";

/** Queues that fail for the same cause share one log line, if each fails within this many milliseconds of the last. */
const INTERVAL = 200;

/** After this many milliseconds the line is written even if more queues fail. */
const LONGEST = 2000;

/** Why a queue is not consumed. */
interface Fault {
  readonly queue: string;
  readonly error: unknown;
  /** Whether the queue was consumed until the broker closed its channel. */
  readonly wasOpen: boolean;
}

/** Logs why queues are not consumed: each cause once, with all its queues. */
export class ConsumerFaults {
  readonly #amqp: Config["amqp"];
  readonly #log: Log;
  readonly #byQueue = new Map<string, RepeatedCauses>();
  #pending = new Map<string, (Fault & { readonly repeated: number | undefined })[]>();
  #timer: NodeJS.Timeout | undefined;
  #since = 0;

  constructor({ amqp, log }: { readonly amqp: Config["amqp"]; readonly log: Log }) {
    this.#amqp = amqp;
    this.#log = log;
  }

  /** Reports why a queue is not consumed; `isNew` means that it was consumed for a while before. */
  report(fault: Fault, { isNew }: { readonly isNew: boolean }): void {
    const { queue, error, wasOpen } = fault;
    const known = this.#byQueue.get(queue) ?? new RepeatedCauses();
    this.#byQueue.set(queue, known);
    if (isNew) known.clear();
    // Remove the queue's name, so that the same error on several queues is one cause.
    const cause = `${wasOpen}: ${messageOf(error).replaceAll(`'${queue}'`, "''")}`;
    const { shouldLog, repeated } = known.note(cause);
    if (!shouldLog) return;
    this.#postponeFlush();
    this.#pending.set(cause, [...(this.#pending.get(cause) ?? []), { ...fault, repeated }]);
  }

  #postponeFlush(): void {
    const now = performance.now();
    if (this.#timer === undefined) {
      this.#since = now;
      this.#timer = setTimeout(() => this.#flush(), INTERVAL).unref();
    } else if (now - this.#since < LONGEST) this.#timer.refresh();
  }

  #flush(): void {
    this.#timer = undefined;
    const pending = this.#pending;
    this.#pending = new Map();
    for (const faults of pending.values()) this.#write(faults);
  }

  #write(faults: readonly (Fault & { readonly repeated: number | undefined })[]): void {
    const [first] = faults;
    if (first === undefined) return;
    const { queue, error, wasOpen, repeated } = first;
    const queues = faults.length === 1 ? undefined : faults.map((fault) => fault.queue);
    const known = readReason(error, this.#amqp);
    const difference = error instanceof QueueMismatchError ? error.difference : {};
    const why =
      known === undefined
        ? { ...difference, err: error }
        : { code: known.code, reason: known.reason, advice: known.advice };
    const fields = { queue, queues, repeated, ...why };
    if (wasOpen) this.#log.warn(fields, "the broker closed the channel");
    else this.#log.error(fields, "cannot consume the queue, trying again");
  }
}
