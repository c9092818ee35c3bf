import { Duplex } from "node:stream";
import type { ChannelModel } from "amqplib";

/**
 * Combines all writes of one event loop turn into one. amqplib writes each frame separately, and each write is a system
 * call that wakes the broker: this was the largest cost of a request.
 */
export function coalesceWrites({ connection }: ChannelModel): void {
  const known: object = connection;
  const stream = "stream" in known ? known.stream : undefined;
  if (!(stream instanceof Duplex)) return;
  let isGathering = false;
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean; // arguments are passed unchanged
  stream.write = (...args: unknown[]): boolean => {
    if (!isGathering) {
      isGathering = true;
      stream.cork();
      process.nextTick(() => {
        isGathering = false;
        stream.uncork();
      });
    }
    return write(...args);
  };
}
