import { callManagement } from "./rabbitmq.ts";

// As RabbitMQ documents it.
const overview = (await callManagement("GET", "overview")) as { readonly rabbitmq_version: string };

/** The version of the run's RabbitMQ; further brokers that a test starts have the same. */
export const brokerVersion = overview.rabbitmq_version;

/** Whether the run's RabbitMQ has this version or a later one. */
export function isBroker(major: number, minor: number): boolean {
  const [first = 0, second = 0] = brokerVersion.split(".").map(Number);
  return first > major || (first === major && second >= minor);
}
