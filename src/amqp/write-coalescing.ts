import { Duplex } from "node:stream";
import type { ChannelModel } from "amqplib";

/**
 * Sends what is written to a connection in one turn of the event loop as one packet. amqplib writes every frame by itself,
 * and over a socket each write is a system call that wakes the broker: more than all else that a request costs.
 */
export function coalesceWrites({ connection }: ChannelModel): void {
  // Untyped in amqplib.
  const known: object = connection;
  const stream = "stream" in known ? known.stream : undefined;
  if (!(stream instanceof Duplex)) return;
  let isGathering = false;
  const emit = stream.write.bind(stream) as (...args: unknown[]) => boolean; // passed on as they come
  stream.write = (...args: unknown[]): boolean => {
    if (!isGathering) {
      isGathering = true;
      stream.cork();
      process.nextTick(() => {
        isGathering = false;
        stream.uncork();
      });
    }
    return emit(...args);
  };
}
