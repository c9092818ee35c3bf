import { randomBytes } from "node:crypto";
import { readRunVariable } from "./run-environment.ts";

/** The RabbitMQ of this run. The runner starts it for test files that import this module, directly or indirectly. */
export const amqpUrl = readRunVariable("AUTHMQ_TEST_AMQP_URL");

/** Process id of RabbitMQ; undefined in a container. */
export const rabbitMqPid = Number(readRunVariable("AUTHMQ_TEST_RABBITMQ_PID")) || undefined;

const management = new URL(readRunVariable("AUTHMQ_TEST_MANAGEMENT_URL"));
const { username, password } = management;
const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;

/** Calls RabbitMQ's management API; `path` starts after `/api/`. Throws unless the response is a success. */
export async function callManagement(method: string, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(`${management.origin}/api/${path}`, {
    method,
    // A connection that is kept open may be closed by the server at the moment of the next request.
    headers: { authorization, "content-type": "application/json", connection: "close" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}

/** Creates a vhost for a test file and returns its AMQP URL. */
export async function createVhost(
  name = `authmq_${randomBytes(6).toString("hex")}`,
): Promise<{ name: string; url: string }> {
  const path = encodeURIComponent(name);
  await callManagement("PUT", `vhosts/${path}`);
  await callManagement("PUT", `permissions/${path}/${username}`, {
    configure: ".*",
    write: ".*",
    read: ".*",
  });
  return { name, url: `${amqpUrl}/${path}` };
}

/** Deletes a vhost with all its queues; the broker closes the connections to it. */
export async function deleteVhost(name: string): Promise<void> {
  await callManagement("DELETE", `vhosts/${encodeURIComponent(name)}`);
}
