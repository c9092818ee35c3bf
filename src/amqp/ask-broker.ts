import type { Channel, ChannelModel } from "amqplib";

/** Asks on a channel of its own, because the broker closes the channel when it refuses; rejects with the refusal. */
export async function askBroker<T>(model: ChannelModel, ask: (channel: Channel) => Promise<T>): Promise<T> {
  const channel = await model.createChannel();
  channel.on("error", () => undefined); // it says what the rejected call says
  const answer = await ask(channel);
  await channel.close();
  return answer;
}
