import { randomUUID } from "node:crypto";
import type { Workflows } from "../../schemas/workflows.d.ts";
import { type QueueName, QUEUES } from "../wire/queues.ts";
import { workflowsBy } from "../wire/workflows.ts";
import { a, check, number, object, optionsOf, text } from "./check.ts";
import { NoReplyError } from "./errors.ts";
import { Limit } from "./limit.ts";
import type { Outgoing } from "./link.ts";
import { addressOf, checkConnectOptions, type ConnectOptions } from "./options.ts";
import type { CallOptions, ReplyFrom, RequestTo } from "./queues.ts";
import { errorOf, isSuccess, type RpcReply } from "./reply.ts";
import { SupervisedLink } from "./supervised-link.ts";

const callKinds = optionsOf({
  signal: a("an AbortSignal", (value) => value instanceof AbortSignal),
  timeout: number,
  idempotencyKey: a("a string of 1 to 255 bytes", isKey),
});

/** AMQP limits message_id to 255 bytes. */
function isKey(value: unknown): boolean {
  return typeof value === "string" && value !== "" && Buffer.byteLength(value) <= 255;
}

/** In milliseconds: a worker answers within nine seconds. */
const DEFAULT_TIMEOUT = 10_000;

const FIRST_DELAY = 100;
const MAX_DELAY = 2000;

/** Calls workflows over the broker, with the same methods as `createAuth`. */
export interface AuthClient extends Workflows<[options?: CallOptions]>, AsyncDisposable {
  /** Calls a workflow by the default name of its queue. */
  call<Q extends QueueName>(queue: Q, request: RequestTo<Q>, options?: CallOptions): Promise<ReplyFrom<Q>>;
  /** Closes the connection; pending calls reject with a NoReplyError. May be called twice. */
  close(): Promise<void>;
}

/**
 * Connects a client that keeps one connection and reconnects when it is lost. Rejects with a NoReplyError when the
 * broker cannot be reached within the timeout or refuses the user, and with a TypeError for an invalid option.
 */
export async function connect(given: ConnectOptions): Promise<AuthClient> {
  const options = checkConnectOptions(given);
  const { timeout = DEFAULT_TIMEOUT } = options;
  const link = new SupervisedLink(addressOf(options));
  try {
    using limit = new Limit(timeout, () => noReply(link, timeout));
    await link.open(limit);
  } catch (error) {
    await link.close();
    throw error;
  }
  return createClient(link, options);
}

function createClient(link: SupervisedLink, options: ConnectOptions): AuthClient {
  const { queues = {}, appId, headers } = options;
  const underway = new Set<Limit>();

  async function call<Q extends QueueName>(
    queue: Q,
    request: RequestTo<Q>,
    callOptions: CallOptions = {},
  ): Promise<ReplyFrom<Q>> {
    check("call", queue, text, "queue");
    const { namespace, method } = Object.hasOwn(QUEUES, queue) ? QUEUES[queue] : {};
    const caller = method === undefined ? queue : `${namespace}.${method}`;
    check(caller, request, object, "request");
    check(caller, callOptions, callKinds);
    const {
      signal,
      timeout = options.timeout ?? DEFAULT_TIMEOUT,
      idempotencyKey = randomUUID(),
    } = callOptions;
    using limit = new Limit(timeout, () => noReply(link, timeout), signal);
    underway.add(limit);
    try {
      const body = JSON.stringify(request);
      const message = {
        queue: queues[queue] ?? queue,
        body,
        key: idempotencyKey,
        appId,
        headers: headers?.(),
      };
      const reply = await send(link, message, limit);
      if (!isSuccess(reply)) throw errorOf(reply);
      // The worker has validated it with this procedure's output schema.
      return reply.resp_data as ReplyFrom<Q>;
    } finally {
      underway.delete(limit);
    }
  }

  async function close(): Promise<void> {
    for (const limit of underway) limit.end(new NoReplyError("the client is closed"));
    await link.close();
  }

  const workflows = workflowsBy((queue, request, options?: CallOptions) =>
    // The type of each method requires the request type of its queue.
    call(queue, request as RequestTo<typeof queue>, options),
  );
  return { ...workflows, call, close, [Symbol.asyncDispose]: close };
}

/** Retries after a lost connection or a 503. All attempts have one idempotency key, so they count as one request. */
async function send(link: SupervisedLink, message: Outgoing, limit: Limit): Promise<RpcReply> {
  for (let attempt = 0; ; attempt++) {
    const outcome = await sendOnce(link, message, limit);
    if ("resp_code" in outcome && outcome.resp_code !== 503) return outcome;
    const delay = Math.min(MAX_DELAY, FIRST_DELAY * 2 ** attempt) * (0.5 + Math.random() / 2);
    if (delay < limit.left) await limit.sleep(delay);
    // No time is left for another attempt.
    else if ("resp_code" in outcome) return outcome;
    else throw outcome;
  }
}

/** The reply, or an error that allows a retry; rejects with any other error. */
async function sendOnce(
  link: SupervisedLink,
  message: Outgoing,
  limit: Limit,
): Promise<RpcReply | NoReplyError> {
  const open = await link.open(limit);
  try {
    return await open.request(message, limit);
  } catch (error) {
    if (error instanceof NoReplyError && error.isLost) return error;
    throw error;
  }
}

function noReply({ fault }: SupervisedLink, timeout: number): NoReplyError {
  return fault === undefined
    ? new NoReplyError(`no reply within ${timeout} ms`, { respCode: 504 })
    : new NoReplyError(`no connection to the broker within ${timeout} ms`, { cause: fault });
}
