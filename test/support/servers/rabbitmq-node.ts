import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { programOf } from "./sources.ts";
import type { Scratch, Server } from "./scratch.ts";

const HOST = "127.0.0.1";

/** The user that every node creates, with all permissions. */
export const RABBITMQ_USER = "authmq";

/** Options of a RabbitMQ node. */
interface NodeOptions {
  /** Name of its folder and its log. */
  readonly name: string;
  /** Its Erlang node name. */
  readonly nodeName: string;
  readonly amqp: number;
  readonly management: number;
  readonly distribution: number;
  readonly epmd: number;
  readonly cookie: string;
  readonly password: string;
  /** Number of scheduler threads. */
  readonly schedulers: number;
  /** Whether idle threads spin before they sleep: Erlang's default, which takes processor time from other processes. */
  readonly busyWait?: boolean | undefined;
  /** Additional lines of rabbitmq.conf. */
  readonly settings?: readonly string[];
  /** Plugins besides the management plugin. */
  readonly plugins?: readonly string[];
  /** The content of advanced.config, as Erlang terms. */
  readonly advanced?: string;
}

/** The folder whose *.conf files a node reads at each start, after rabbitmq.conf. */
export function configFolder(scratch: Scratch, name: string): string {
  return scratch.subfolder(`${name}/conf.d`);
}

/** A node as a process on loopback with its own folder; not started yet. */
export function rabbitMqNode(scratch: Scratch, options: NodeOptions): Server {
  const { name, password, schedulers, busyWait = true } = options;
  const folder = scratch.subfolder(name);
  const file = (path: string, text: string, mode = 0o600): string => {
    writeFileSync(join(folder, path), text, { mode });
    return join(folder, path);
  };
  file(".erlang.cookie", options.cookie, 0o400);
  const plugins = ["rabbitmq_management", ...(options.plugins ?? [])];
  const settings = [
    `listeners.tcp.1 = ${HOST}:${options.amqp}`,
    `management.tcp.ip = ${HOST}`,
    `management.tcp.port = ${options.management}`,
    `default_user = ${RABBITMQ_USER}`,
    `default_pass = ${password}`,
    ...(options.settings ?? []),
    "",
  ];
  const env = {
    HOME: folder,
    LANG: "C.UTF-8",
    PATH: process.env["PATH"] ?? "/usr/bin:/bin",
    ERL_EPMD_ADDRESS: HOST,
    ERL_EPMD_PORT: String(options.epmd),
    // Otherwise a node without epmd starts one as a daemon that outlives the run.
    ERL_ZFLAGS: "-start_epmd false",
    RABBITMQ_NODENAME: options.nodeName,
    RABBITMQ_DIST_PORT: String(options.distribution),
    RABBITMQ_CONF_ENV_FILE: file("rabbitmq-env.conf", ""),
    RABBITMQ_CONFIG_FILE: file("rabbitmq.conf", settings.join("\n")),
    RABBITMQ_CONFIG_FILES: configFolder(scratch, name),
    RABBITMQ_ADVANCED_CONFIG_FILE: file("advanced.config", options.advanced ?? "[].\n"),
    RABBITMQ_ENABLED_PLUGINS_FILE: file("enabled_plugins", `[${plugins.join(",")}].\n`),
    RABBITMQ_MNESIA_BASE: scratch.subfolder(`${name}/mnesia`),
    RABBITMQ_MNESIA_DIR: join(folder, "mnesia", "node"),
    RABBITMQ_LOG_BASE: scratch.subfolder(`${name}/log`),
    RABBITMQ_PID_FILE: join(folder, "rabbitmq.pid"),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: [
      `+S ${schedulers}:${schedulers}`,
      ...(busyWait ? [] : ["+sbwt none +sbwtdcpu none +sbwtdio none"]),
      "-kernel inet_dist_use_interface {127,0,0,1}",
    ].join(" "),
    // Makes the start script exec the node, so that its process id is known.
    RUNNING_UNDER_SYSTEMD: "true",
  };
  const [command, args] = programOf("rabbitmq", "/usr/lib/rabbitmq/bin/rabbitmq-server", []);
  return scratch.process(command, args, { name, env });
}

/** Erlang's port mapper (epmd), started here so that its process id is known. */
export function portMapper(scratch: Scratch, port: number): Server {
  const [command, args] = programOf("rabbitmq", "epmd", ["-address", HOST, "-port", String(port)]);
  return scratch.process(command, args, { name: `epmd-${port}`, env: { PATH: process.env["PATH"] } });
}
