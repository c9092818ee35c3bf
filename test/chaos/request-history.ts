/** A reply as it came in, `at` in milliseconds since 1970. */
export interface ChaosReply {
  readonly at: number;
  readonly code: number;
  /** The whole body. */
  readonly text: string;
}

/** One message that was published for a request, and what came of it; times in milliseconds since 1970. */
export interface Attempt {
  readonly correlationId: string;
  readonly sentAt: number;
  /** Which connection of the callers it went over. */
  readonly link: string;
  confirmedAt: number | undefined;
  /** How waiting for it ended; undefined while it lasts. */
  end:
    | "reply"
    | "another reply"
    | "no reply in time"
    | "connection lost"
    | "no such queue"
    | "refused"
    | undefined;
  readonly replies: ChaosReply[];
}

/** The name of callers who do not wait for answers. */
export const VANISHING = "vanishing";

/** What a request asks for, and what must be true once it was answered. */
export interface Intent {
  readonly queue: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** The resp_code of the answer when nothing is wrong. */
  readonly expect: number;
  /**
   * What the database notes when it is done, exactly once: see effects.ts. A `*` at the end stands for what only the
   * answer tells. Undefined for a request that changes nothing.
   */
  readonly effect?: string;
  /** What is true in the database afterwards; undefined means gone. */
  readonly facts?: readonly Fact[];
  /** What the `*` in effect and facts is, by the answer's data. */
  readonly reveal?: (data: Readonly<Record<string, unknown>>) => string;
  /** What is wrong with the data of a good answer. */
  readonly inspect?: (data: Readonly<Record<string, unknown>>) => string | undefined;
}

/** The name of something that the database holds, and what it is from now on. */
export type Fact = readonly [name: string, value: string | undefined];

/** A request of a caller with its whole history. */
export interface RequestRecord {
  readonly id: number;
  readonly caller: string;
  readonly intent: Intent;
  /** The idempotency key; a request without one is never sent again. */
  readonly key: string | undefined;
  readonly attempts: Attempt[];
  /** The first definite answer; for a request without a key also a 503, which says no more than "perhaps". */
  answer:
    | { readonly code: number; readonly data: Readonly<Record<string, unknown>>; readonly text: string }
    | undefined;
  /** What is wrong with the answer's data. */
  complaint: string | undefined;
  /** The caller waits no more, and goes on as if it had never asked. */
  givenUp: boolean;
}

/** Whether it is known that the request was done or refused. */
export function isDefinite({ answer }: RequestRecord): boolean {
  return answer !== undefined && answer.code !== 503;
}

/** Whether the request is known to have succeeded. */
export function isDone({ answer }: RequestRecord): boolean {
  return answer !== undefined && answer.code < 300;
}

/** Whether the broker gave every message of the request back, so that no worker can have seen it. */
export function wasNeverTaken({ attempts }: RequestRecord): boolean {
  return attempts.every(({ end }) => end === "no such queue");
}

/** Every request of a scenario in the order in which they were begun, and every message by its correlation id. */
export class RequestHistory {
  readonly requests: RequestRecord[] = [];
  readonly #byCorrelation = new Map<string, { request: RequestRecord; attempt: Attempt }>();
  /** Replies with a correlation id that nobody gave out. */
  readonly strangers: ChaosReply[] = [];

  open(caller: string, intent: Intent, key: string | undefined): RequestRecord {
    const id = this.requests.length + 1;
    const request: RequestRecord = {
      id,
      caller,
      intent,
      key,
      attempts: [],
      answer: undefined,
      complaint: undefined,
      givenUp: false,
    };
    this.requests.push(request);
    return request;
  }

  addAttempt(request: RequestRecord, attempt: Attempt): void {
    request.attempts.push(attempt);
    this.#byCorrelation.set(attempt.correlationId, { request, attempt });
  }

  find(correlationId: string): { request: RequestRecord; attempt: Attempt } | undefined {
    return this.#byCorrelation.get(correlationId);
  }
}
