/** A received reply; `at` in milliseconds since 1970. */
export interface ChaosReply {
  readonly at: number;
  readonly code: number;
  /** The complete body. */
  readonly text: string;
}

/** One message of a request and its result; times in milliseconds since 1970. */
export interface Attempt {
  readonly correlationId: string;
  readonly sentAt: number;
  /** The callers' connection that sent it. */
  readonly link: string;
  confirmedAt: number | undefined;
  /** Why waiting for it ended; undefined while it waits. */
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

/** The name of callers that do not wait for replies. */
export const VANISHING = "vanishing";

/** A request, and its expected effects. */
export interface Intent {
  readonly queue: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** The expected resp_code. */
  readonly expect: number;
  /**
   * What the database records exactly once for a success: see effects.ts. A `*` at the end stands for a value that only
   * the reply contains. Undefined for a request that changes nothing.
   */
  readonly effect?: string;
  /** The content of the database afterwards; undefined means absent. */
  readonly facts?: readonly Fact[];
  /** The value of `*` in effect, from the data of the reply. */
  readonly reveal?: (data: Readonly<Record<string, unknown>>) => string;
  /** Checks the data of a successful reply; returns what is wrong. */
  readonly inspect?: (data: Readonly<Record<string, unknown>>) => string | undefined;
}

/** The name of a database object, and its value from now on. */
export type Fact = readonly [name: string, value: string | undefined];

/** A request of a caller with its history. */
export interface RequestRecord {
  readonly id: number;
  readonly caller: string;
  readonly intent: Intent;
  /** The idempotency key; a request without a key is never retried. */
  readonly key: string | undefined;
  readonly attempts: Attempt[];
  /** The first final reply; without a key also a 503, after which the effect is unknown. */
  result:
    | { readonly code: number; readonly data: Readonly<Record<string, unknown>>; readonly text: string }
    | undefined;
  /** What is wrong with the data of the reply. */
  dataError: string | undefined;
  /** The caller no longer waits for a reply. */
  abandoned: boolean;
}

/** Whether the result of the request is known: success or rejection. */
export function isDefinite({ result }: RequestRecord): boolean {
  return result !== undefined && result.code !== 503;
}

/** Whether the request is known to have succeeded. */
export function isDone({ result }: RequestRecord): boolean {
  return result !== undefined && result.code < 300;
}

/** Whether the broker returned every message of the request, so that no worker can have received it. */
export function wasNeverDelivered({ attempts }: RequestRecord): boolean {
  return attempts.every(({ end }) => end === "no such queue");
}

/** All requests of a scenario in the order of their start, and all messages by correlation id. */
export class RequestHistory {
  readonly requests: RequestRecord[] = [];
  readonly #byCorrelation = new Map<string, { request: RequestRecord; attempt: Attempt }>();
  /** Replies with an unknown correlation id. */
  readonly unsolicited: ChaosReply[] = [];

  open(caller: string, intent: Intent, key: string | undefined): RequestRecord {
    const id = this.requests.length + 1;
    const request: RequestRecord = {
      id,
      caller,
      intent,
      key,
      attempts: [],
      result: undefined,
      dataError: undefined,
      abandoned: false,
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
