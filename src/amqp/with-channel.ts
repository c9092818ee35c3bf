import type { Channel, ChannelModel } from "amqplib";

/** Runs a call on its own channel, because the broker closes the channel on an error; rejects with that error. */
export async function withChannel<T>(model: ChannelModel, run: (channel: Channel) => Promise<T>): Promise<T> {
  const channel = await model.createChannel();
  channel.on("error", () => undefined); // the call rejects with the same error
  const result = await run(channel);
  await channel.close();
  return result;
}
