import { z } from "zod";
import { parseNode, PORT } from "../../wire/broker-node.ts";
import { queueNames } from "../queues.ts";
import { filePath, port } from "./common.ts";

const QUEUE_PROFILES = ["durable", "quorum", "transient"] as const;

/** How the queues are declared at the broker. */
export type QueueProfile = (typeof QUEUE_PROFILES)[number];

const brokerNode = z
  .string()
  .refine(
    (text) => parseNode(text, 1) !== undefined,
    "must be host, host:port, [IPv6 address] or [IPv6 address]:port",
  )
  .describe("host, host:port, [IPv6 address] or [IPv6 address]:port");

const prefetch = z.int().min(1).max(65_535);

/** `amqp_settings`: the broker. */
export const amqpSettings = z.strictObject({
  url: z
    .string()
    .min(1)
    .optional()
    .describe(
      "`amqp://user:password@host:port/vhost`, or `amqps://` for TLS; the keys below win over its parts, and it wins over `AMQP_URL`",
    ),
  host: z
    .union([brokerNode, z.array(brokerNode).min(1)])
    .default("127.0.0.1")
    .describe(
      "`host`, `host:port`, `[IPv6 address]` or `[IPv6 address]:port`; a list names a cluster's nodes in the order to try them",
    ),
  port: port.default(PORT).describe("the port of every host that names none; with TLS mostly 5671"),
  username: z.string().default("guest").describe("the user that connects"),
  password: z.string().default("guest").describe("its password"),
  vhost: z
    .string()
    .min(1)
    .default("/")
    .describe("the broker's vhost with the queues; not the vhost that tokens speak of"),
  connection_name: z.string().min(1).default("authmq").describe("shown in the broker's management pages"),
  message_lifetime: z
    .number()
    .positive()
    .optional()
    .describe("seconds that a reply may wait in its queue; without it, for ever"),
  tls: z
    .boolean()
    .optional()
    .describe(
      "whether the connection is TLS; without it, true where `ca_file` or an `amqps://` URL is given",
    ),
  ca_file: filePath
    .optional()
    .describe(
      "PEM file of the CA that signed the broker's certificate; given, the connection is TLS; without it, the CAs that Node knows",
    ),
  heartbeat: z.int().min(1).max(3600).default(10).describe("seconds between heartbeats"),
  prefetch: prefetch
    .default(64)
    .describe("requests in flight per queue and worker; queues that hash take fewer"),
  prefetch_by_queue: z
    .partialRecord(z.enum(queueNames()), prefetch)
    .optional()
    .describe(
      'the same for single queues by their default names, whether they hash or not: `{"login": 4, "user_get": 256}`',
    ),
  queues: z
    .enum(QUEUE_PROFILES)
    .default("durable")
    .describe("how the queues are declared; `transient` is as py_auth_micro does"),
  max_request_bytes: z
    .int()
    .min(1024)
    .default(65_536)
    .describe(
      "a longer request is answered 413; a token has at most three quarters of it, and 32768 characters",
    ),
});
