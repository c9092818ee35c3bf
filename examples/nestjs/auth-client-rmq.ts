/**
 * Calls authmq with Nest's ClientRMQ: npm install @nestjs/microservices amqplib amqp-connection-manager. This file needs
 * nothing else of authmq. It was tested with Nest 11.
 */
import { randomUUID } from "node:crypto";
import type { OnApplicationShutdown } from "@nestjs/common";
import {
  ClientRMQ,
  type Deserializer,
  type IncomingResponse,
  type OutgoingRequest,
  RmqRecord,
  type RmqRecordOptions,
  RpcException,
  type Serializer,
} from "@nestjs/microservices";
import type { ConfirmChannel, Message } from "amqplib";
import { catchError, type Observable, throwError, timeout } from "rxjs";

/** In milliseconds: a worker replies within nine seconds. */
const TIMEOUT = 10_000;

interface Failure {
  readonly code: string;
  readonly respCode: number;
  readonly message: string;
  /** For TOO_MANY_ATTEMPTS (429): seconds to wait. */
  readonly retryAfter?: unknown;
  /** For INVALID_INPUT (400): the wrong fields. */
  readonly fields?: unknown;
}

/** An error reply, or NO_REPLY. A Nest microservice that throws it sends these members to its own caller. */
export class AuthException extends RpcException {
  readonly code: string;
  readonly respCode: number;
  readonly retryAfter: number | undefined;
  readonly fields: unknown;

  constructor(failure: Failure) {
    super(failure);
    this.code = failure.code;
    this.respCode = failure.respCode;
    this.retryAfter = typeof failure.retryAfter === "number" ? failure.retryAfter : undefined;
    this.fields = failure.fields;
  }
}

/** Sends the data alone, without Nest's envelope of pattern, data and id; an RmqRecord may set other properties. */
export class AuthSerializer implements Serializer<OutgoingRequest> {
  readonly #timeout: number;

  constructor(milliseconds = TIMEOUT) {
    this.#timeout = milliseconds;
  }

  serialize({ data }: OutgoingRequest): object {
    // ClientProxy.send passes whatever the caller passed; authmq accepts only objects.
    const record = data instanceof RmqRecord ? (data as RmqRecord<object>) : new RmqRecord(data as object);
    const properties: RmqRecordOptions & { timeout: number } = {
      contentType: "application/json",
      messageId: randomUUID(), // the idempotency key; a retry by rxjs gets a new one
      expiration: this.#timeout,
      mandatory: true,
      timeout: this.#timeout, // otherwise an outage keeps the request, and sends it much later
      ...record.options,
    };
    return { ...record.data, options: properties };
  }
}

/** Turns a reply of 2xx into its data, and every other reply into an error. */
export class AuthDeserializer implements Deserializer<unknown, IncomingResponse> {
  deserialize(reply: unknown): IncomingResponse {
    if (!isObject(reply) || typeof reply["resp_code"] !== "number" || !isObject(reply["resp_data"]))
      return { id: "", err: noReply("the reply is not from authmq") };
    const { resp_code: respCode, resp_data: data } = reply;
    if (respCode < 300) return { id: "", response: data, isDisposed: true };
    const { error, msg, retry_after: retryAfter, fields } = data;
    return {
      id: "",
      err: new AuthException({ code: String(error), respCode, message: String(msg), retryAfter, fields }),
    };
  }
}

/** A ClientRMQ whose pattern is the name of a queue: `client.send("login", { username, password })`. */
export class AuthClientRMQ extends ClientRMQ implements OnApplicationShutdown {
  readonly #timeout: number;

  /** `timeout` is in milliseconds. */
  constructor({ urls, timeout: limit = TIMEOUT }: { readonly urls: string[]; readonly timeout?: number }) {
    super({
      urls,
      // With wildcards, Nest publishes each pattern to `exchange`. The exchange "" delivers to the queue of that name.
      wildcards: true,
      exchange: "",
      serializer: new AuthSerializer(limit),
      deserializer: new AuthDeserializer(),
    });
    this.#timeout = limit;
  }

  /** Rejects with an AuthException in time, during outages as well. */
  override send<R = unknown>(queue: string, request: unknown): Observable<R> {
    const tooLate = () => noReply(`no reply within ${this.#timeout} ms`);
    return super.send<R>(queue, request).pipe(
      timeout({ each: this.#timeout, with: () => throwError(tooLate) }),
      catchError((error: unknown) =>
        throwError(() => (error instanceof AuthException ? error : noReply(String(error)))),
      ),
    );
  }

  onApplicationShutdown(): Promise<void> {
    return this.close();
  }

  /** Declares nothing: the queues belong to authmq. */
  override async setupChannel(channel: ConfirmChannel, resolve: () => void): Promise<void> {
    channel.on("return", ({ properties, fields }: Message) => {
      const resp_data = {
        error: "NO_REPLY",
        msg: `there is no queue ${fields.routingKey}: is a worker running?`,
      };
      const content = Buffer.from(JSON.stringify({ resp_code: 503, resp_data }));
      this.responseEmitter.emit(String(properties.correlationId), { content });
    });
    await this.consumeChannel(channel);
    resolve();
  }
}

function noReply(message: string): AuthException {
  return new AuthException({ code: "NO_REPLY", respCode: 503, message });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
