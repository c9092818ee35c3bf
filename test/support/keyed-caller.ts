import { randomUUID } from "node:crypto";
import type { Options } from "amqplib";
import { bodyOf, connectRaw } from "./raw-caller.ts";
import { waitUntil } from "./servers/scratch.ts";
import type { TestWorker } from "./worker.ts";

interface Reply {
  readonly resp_code: number;
  readonly resp_data: Record<string, unknown>;
}

/** A caller whose requests can have idempotency keys. */
export interface KeyedCaller extends AsyncDisposable {
  /** Sends a request with this message_id (undefined: none) and further properties, and returns the reply. */
  call(key: string | undefined, queue: string, request: object, properties?: Options.Publish): Promise<Reply>;
  /** Publishes a request that the worker will receive as redelivered; the worker must not run meanwhile. */
  callRedelivered(queue: string, request: object, properties: Options.Publish): Promise<() => Promise<Reply>>;
}

/** Connects a caller to the vhost of a worker. */
export async function connectKeyed(worker: TestWorker): Promise<KeyedCaller> {
  const raw = await connectRaw(worker.url);
  const replyTo = async (id: string, index = 0): Promise<Reply> =>
    bodyOf(
      await waitUntil(
        `a reply to ${id}`,
        () => raw.replies.filter(({ properties }) => properties.correlationId === id)[index],
        { seconds: 15 },
      ),
    );
  return {
    async call(key, queue, request, properties = {}) {
      const { correlationId = randomUUID() } = properties as { correlationId?: string };
      const earlier = raw.replies.filter((reply) => reply.properties.correlationId === correlationId).length;
      const messageId = key === undefined ? {} : { messageId: key };
      raw.publish(queue, JSON.stringify(request), { ...messageId, ...properties, correlationId });
      return replyTo(correlationId, earlier);
    },
    async callRedelivered(queue, request, properties) {
      const { correlationId = randomUUID() } = properties as { correlationId?: string };
      const earlier = raw.replies.filter((reply) => reply.properties.correlationId === correlationId).length;
      const channel = await raw.connection.createChannel();
      const delivered = Promise.withResolvers<undefined>();
      await channel.consume(queue, () => delivered.resolve(undefined));
      raw.publish(queue, JSON.stringify(request), { ...properties, correlationId });
      await delivered.promise;
      await channel.close(); // requeues the unacknowledged message, marked as redelivered
      return () => replyTo(correlationId, earlier);
    },
    [Symbol.asyncDispose]: () => raw[Symbol.asyncDispose](),
  };
}
