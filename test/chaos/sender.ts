import { setTimeout as sleep } from "node:timers/promises";
import {
  type Attempt,
  type Intent,
  isDefinite,
  type RequestHistory,
  type RequestRecord,
} from "./request-history.ts";
import type { CallerLink } from "./link.ts";
import type { Random } from "./random.ts";

/** How the requests of one scenario are sent. */
export interface SenderOptions {
  readonly history: RequestHistory;
  readonly random: Random;
  /** How many copies of a request with a key go out at once. */
  readonly copies: number;
  /** So long a caller waits for the reply to one message, in milliseconds. */
  readonly limit: number;
  /** When requests with a key are given up, in milliseconds since 1970; asked again and again. */
  readonly deadline: () => number;
}

/** What the caller of one request chooses. */
export interface SendOptions {
  readonly caller: string;
  /** The idempotency key; without one the request is sent once. */
  readonly key?: string | undefined;
  /** What all of its correlation ids begin with. */
  readonly prefix?: string;
  /** Waits longer or shorter than others, in milliseconds. */
  readonly limit?: number;
}

/** Sends requests over links in turn and writes down all that happens to them. */
export class Sender {
  readonly #options: SenderOptions;
  readonly #waiting = new Map<RequestRecord, () => void>();
  #links: readonly CallerLink[] = [];
  #turn = 0;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** The links to use from now on. */
  use(links: readonly CallerLink[]): void {
    this.#links = links;
  }

  /** Takes a reply that a link has got. */
  readonly takeReply = (correlationId: string, text: string): void => {
    const { history } = this.#options;
    const { code, data } = parse(text);
    const reply = { at: Date.now(), code, text };
    const found = history.find(correlationId);
    if (found === undefined) {
      history.strangers.push(reply);
      return;
    }
    const { request, attempt } = found;
    attempt.replies.push(reply);
    // What is read after its caller has gone on may differ from what was true when it asked.
    if (request.givenUp && request.intent.effect === undefined) return;
    if (request.answer === undefined || (!isDefinite(request) && code !== 503)) {
      if (code !== 503 || request.key === undefined) request.answer = { code, data, text };
    }
    this.#waiting.get(request)?.();
  };

  /** Resolves when the request was answered, or when nobody will ever know. */
  async send(intent: Intent, options: SendOptions): Promise<RequestRecord> {
    const { history, copies, random, deadline } = this.#options;
    const request = history.open(options.caller, intent, options.key);
    for (;;) {
      const link = await this.#nextLink();
      if (link === undefined) break;
      const count = request.key === undefined ? 1 : copies;
      const attempts = Array.from({ length: count }, () => this.#attempt(request, link, options));
      await Promise.race(attempts);
      if (request.answer !== undefined || request.key === undefined || Date.now() > deadline()) break;
      await sleep(random.between(50, 250));
      // The answer to an earlier message may have come meanwhile.
      if ((request.answer as object | undefined) !== undefined) break;
    }
    if (isDefinite(request)) request.complaint = inspect(request);
    else request.givenUp = true;
    return request;
  }

  async #attempt(request: RequestRecord, link: CallerLink, options: SendOptions): Promise<void> {
    const { history, random } = this.#options;
    const { limit = this.#options.limit } = options;
    const attempt: Attempt = {
      correlationId: `${options.prefix ?? ""}${request.id}.${request.attempts.length + 1}-${random.hex(8)}`,
      sentAt: Date.now(),
      link: link.name,
      confirmedAt: undefined,
      end: undefined,
      replies: [],
    };
    history.addAttempt(request, attempt);
    const ended = Promise.withResolvers<void>();
    const end = (reason: NonNullable<Attempt["end"]>): void => {
      attempt.end ??= reason;
      ended.resolve();
    };
    const { published, lost } = link.publish({
      queue: request.intent.queue,
      body: Buffer.from(JSON.stringify(request.intent.body)),
      correlationId: attempt.correlationId,
      messageId: request.key,
      persistent: random.chance(0.5),
      // Most messages outlive their caller's patience, and are then done or dropped at any later time.
      expiration: random.chance(0.3) ? limit : undefined,
    });
    void published.then((outcome) => {
      if (outcome === "confirmed") attempt.confirmedAt = Date.now();
      else end(outcome);
    });
    void lost.then(() => end("connection lost"));
    const timer = setTimeout(() => end("no reply in time"), limit);
    const previous = this.#waiting.get(request);
    this.#waiting.set(request, () => {
      previous?.();
      if (attempt.replies.length > 0) end("reply");
      else if (isDefinite(request)) end("another reply");
    });
    await ended.promise;
    clearTimeout(timer);
    link.forget(attempt.correlationId);
    if (request.attempts.every((one) => one.end !== undefined)) this.#waiting.delete(request);
  }

  async #nextLink(): Promise<CallerLink | undefined> {
    for (;;) {
      for (let tried = 0; tried < this.#links.length; tried++) {
        const link = this.#links[this.#turn++ % this.#links.length];
        if (link?.isOpen === true) return link;
      }
      if (Date.now() > this.#options.deadline()) return undefined;
      await sleep(20);
    }
  }
}

function inspect({ intent, answer }: RequestRecord): string | undefined {
  if (answer === undefined || answer.code !== intent.expect) return undefined;
  return intent.inspect?.(answer.data);
}

function parse(text: string): { code: number; data: Readonly<Record<string, unknown>> } {
  try {
    const { resp_code, resp_data } = JSON.parse(text) as { resp_code: unknown; resp_data: unknown };
    if (typeof resp_code === "number" && typeof resp_data === "object" && resp_data !== null)
      return { code: resp_code, data: { ...resp_data } };
  } catch {
    // What is no JSON is no reply either.
  }
  return { code: 0, data: {} };
}
