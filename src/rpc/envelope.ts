import type { AppError } from "../errors.ts";

/** The reply to a request. */
export interface Envelope {
  readonly resp_code: number;
  readonly resp_data: Readonly<Record<string, unknown>>;
}

/** One delivery of a request by its transport. */
export interface Incoming {
  readonly body: Uint8Array;
  /** The sender's idempotency key, of any type because it is not validated yet. */
  readonly idempotencyKey: unknown;
  /** Properties that distinguish messages with equal bodies. */
  readonly properties: readonly string[];
  /** The sender, verified by the transport; empty if not verified. */
  readonly userId: string;
  /** The sender's own name for itself, for the log. */
  readonly appId: string;
  readonly correlationId: string | undefined;
  /** Whether the transport may have delivered it before. */
  readonly redelivered: boolean;
  readonly receivedAt: Date;
  /** Whether the message has expired. */
  hasExpired(): boolean;
  /** Whether this worker still holds the delivery; if not, another worker gets it. */
  isHeld(): Promise<boolean>;
  /** Calls back when the worker loses the delivery; returns a function that removes the callback. */
  onLost(callback: () => void): () => void;
  /** Whether the reply is no longer needed, after the request has waited for `waited` milliseconds. */
  isCancelled(waited: number): Promise<boolean>;
}

/** The reply of a successful request; 204 means that its list is empty. */
export function successEnvelope(respCode: 200 | 204, data: Readonly<Record<string, unknown>>): Envelope {
  return { resp_code: respCode, resp_data: data };
}

/** The reply of a failed request: only what its caller may see, without the cause. */
export function failureEnvelope(error: AppError): Envelope {
  return {
    resp_code: error.respCode,
    resp_data: {
      msg: error.publicMsg,
      error: error.code,
      ...(error.fields === undefined ? {} : { fields: error.fields }),
      ...(error.reference === undefined ? {} : { reference: error.reference }),
      ...(error.retryAfter === undefined ? {} : { retry_after: error.retryAfter }),
      ...error.data,
    },
  };
}
