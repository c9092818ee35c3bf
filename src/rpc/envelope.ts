import type { AppError } from "../errors.ts";

/** What every caller gets back. */
export interface Envelope {
  readonly resp_code: number;
  readonly resp_data: Readonly<Record<string, unknown>>;
}

/** One delivery of a request, as its transport hands it over. */
export interface Incoming {
  readonly body: Uint8Array;
  /** What its sender calls it, so that a repeat is known as one; of any type, because anything may arrive. */
  readonly idempotencyKey: unknown;
  /** What tells two messages with equal bodies apart. */
  readonly properties: readonly string[];
  /** The sender, as its transport has verified it; empty where it has not. */
  readonly userId: string;
  /** The sender as it calls itself, for the log. */
  readonly appId: string;
  readonly correlationId: string | undefined;
  /** Whether the transport may have handed it over before. */
  readonly redelivered: boolean;
  readonly receivedAt: Date;
  /** Whether its time is over. */
  hasExpired(): boolean;
  /** Whether it still is this worker's: what is not goes to another one. */
  isHeld(): Promise<boolean>;
  /** Calls back once it no longer is; gives what takes the call back. */
  onLost(callback: () => void): () => void;
  /** Whether nobody needs the reply any more, after the request has waited for so many milliseconds. */
  isCancelled(waited: number): Promise<boolean>;
}

/** The reply of a request that was done: 204 says that the list in it is empty. */
export function successEnvelope(respCode: 200 | 204, data: Readonly<Record<string, unknown>>): Envelope {
  return { resp_code: respCode, resp_data: data };
}

/** The reply of a request that failed: only what is meant for its caller, no word of its cause. */
export function failureEnvelope(error: AppError): Envelope {
  return {
    resp_code: error.respCode,
    resp_data: {
      msg: error.publicMsg,
      error: error.code,
      ...(error.fields === undefined ? {} : { fields: error.fields }),
      ...(error.reference === undefined ? {} : { reference: error.reference }),
      ...(error.retryAfter === undefined ? {} : { retry_after: error.retryAfter }),
    },
  };
}
