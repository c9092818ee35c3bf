import { z } from "zod";
import { parseNode, PORT } from "../../wire/broker-node.ts";
import { queueNames } from "../queues.ts";
import { filePath, port } from "./common.ts";

const QUEUE_PROFILES = ["durable", "quorum", "transient"] as const;

/** How the queues are declared on the broker. */
export type QueueProfile = (typeof QUEUE_PROFILES)[number];

const brokerNode = z
  .string()
  .refine(
    (text) => parseNode(text, 1) !== undefined,
    "must be host, host:port, [IPv6 address] or [IPv6 address]:port",
  )
  .describe("host, host:port, [IPv6 address] or [IPv6 address]:port");

const prefetch = z.int().min(1).max(65_535);

/** `amqp_settings`: the connection to the broker. */
export const amqpSettings = z.strictObject({
  url: z
    .string()
    .min(1)
    .optional()
    .describe(
      "`amqp://user:password@host:port/vhost`, or `amqps://` for TLS; the keys below override parts of the " +
        "URL, and the URL overrides `AMQP_URL`",
    ),
  host: z
    .union([brokerNode, z.array(brokerNode).min(1)])
    .default("127.0.0.1")
    .describe(
      "`host`, `host:port`, `[IPv6 address]` or `[IPv6 address]:port`; or a list of cluster nodes, tried in this order",
    ),
  port: port.default(PORT).describe("port for hosts without a port; with TLS usually 5671"),
  username: z.string().default("guest").describe("broker user"),
  password: z.string().default("guest").describe("password of the broker user"),
  vhost: z
    .string()
    .min(1)
    .default("/")
    .describe("broker vhost of the queues; independent of the vhost in tokens"),
  connection_name: z
    .string()
    .min(1)
    .default("authmq")
    .describe("connection name in RabbitMQ's management UI"),
  message_lifetime: z
    .number()
    .positive()
    .optional()
    .describe("expiration of replies in seconds; by default replies do not expire"),
  tls: z
    .boolean()
    .optional()
    .describe("whether to use TLS; by default true if `ca_file` or an `amqps://` URL is set"),
  ca_file: filePath
    .optional()
    .describe(
      "PEM file of the CA that signed the broker's certificate; enables TLS; by default the CAs that Node trusts",
    ),
  heartbeat: z.int().min(1).max(3600).default(10).describe("heartbeat interval in seconds"),
  prefetch: prefetch
    .default(64)
    .describe("unacknowledged requests per queue and worker; lower for queues that hash passwords"),
  prefetch_by_queue: z
    .partialRecord(z.enum(queueNames()), prefetch)
    .optional()
    .describe(
      'prefetch for single queues, by default queue name; also for queues that hash: `{"login": 4, "user_get": 256}`',
    ),
  queues: z
    .enum(QUEUE_PROFILES)
    .default("durable")
    .describe("queue type to declare; `transient` is compatible with py_auth_micro"),
  legacy_replies: z
    .boolean()
    .default(false)
    .describe(
      "whether replies are like those of py_auth_micro: 201 for `user_register` and `user_admin_create`, and times " +
        "like `2026-11-29T10:00:00.123456+00:00`",
    ),
  max_request_bytes: z
    .int()
    .min(1024)
    .default(65_536)
    .describe(
      "maximum size of a request; larger ones get 413; tokens are limited to three quarters of it and to " +
        "32768 characters",
    ),
});
