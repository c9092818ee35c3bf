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

/** Options for sending the requests of one scenario. */
export interface SenderOptions {
  readonly history: RequestHistory;
  readonly random: Random;
  /** Number of copies of a request with a key that are sent concurrently. */
  readonly copies: number;
  /** Time that a caller waits for the reply to one message, in milliseconds. */
  readonly limit: number;
  /** End of retries of requests with a key, in milliseconds since 1970. Evaluated at each retry. */
  readonly deadline: () => number;
}

/** Options of one request. */
export interface SendOptions {
  readonly caller: string;
  /** The idempotency key; without a key the request is sent once. */
  readonly key?: string | undefined;
  /** Prefix of all its correlation ids. */
  readonly prefix?: string;
  /** Overrides the time to wait for a reply, in milliseconds. */
  readonly limit?: number;
}

/** Sends requests over links in turn, and records their history. */
export class Sender {
  readonly #options: SenderOptions;
  readonly #waiting = new Map<RequestRecord, () => void>();
  #links: readonly CallerLink[] = [];
  #turn = 0;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** Sets the links to use from now on. */
  use(links: readonly CallerLink[]): void {
    this.#links = links;
  }

  /** Processes a reply that a link received. */
  readonly receiveReply = (correlationId: string, text: string): void => {
    const { history } = this.#options;
    const { code, data } = parse(text);
    const reply = { at: Date.now(), code, text };
    const entry = history.find(correlationId);
    if (entry === undefined) {
      history.unsolicited.push(reply);
      return;
    }
    const { request, attempt } = entry;
    attempt.replies.push(reply);
    // A late read may differ from what was true when its caller waited.
    if (request.abandoned && request.intent.effect === undefined) return;
    if (request.result === undefined || (!isDefinite(request) && code !== 503)) {
      if (code !== 503 || request.key === undefined) request.result = { code, data, text };
    }
    this.#waiting.get(request)?.();
  };

  /** Resolves when the request got its reply, or when its result will remain unknown. */
  async send(intent: Intent, options: SendOptions): Promise<RequestRecord> {
    const { history, copies, random, deadline } = this.#options;
    const request = history.open(options.caller, intent, options.key);
    for (;;) {
      const link = await this.#nextLink();
      if (link === undefined) break;
      const count = request.key === undefined ? 1 : copies;
      const attempts = Array.from({ length: count }, () => this.#attempt(request, link, options));
      await Promise.race(attempts);
      if (request.result !== undefined || request.key === undefined || Date.now() > deadline()) break;
      await sleep(random.between(50, 250));
      // A reply to an earlier message may have arrived in the meantime.
      if ((request.result as object | undefined) !== undefined) break;
    }
    if (isDefinite(request)) request.dataError = inspect(request);
    else request.abandoned = true;
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
      // Most messages outlive the caller's timeout, and may be processed at any later time.
      expiration: random.chance(0.3) ? limit : undefined,
    });
    void published.then((result) => {
      if (result === "confirmed") attempt.confirmedAt = Date.now();
      else end(result);
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

function inspect({ intent, result }: RequestRecord): string | undefined {
  if (result === undefined || result.code !== intent.expect) return undefined;
  return intent.inspect?.(result.data);
}

function parse(text: string): { code: number; data: Readonly<Record<string, unknown>> } {
  try {
    const { resp_code, resp_data } = JSON.parse(text) as { resp_code: unknown; resp_data: unknown };
    if (typeof resp_code === "number" && typeof resp_data === "object" && resp_data !== null)
      return { code: resp_code, data: { ...resp_data } };
  } catch {
    // An invalid body counts as a reply with code 0.
  }
  return { code: 0, data: {} };
}
