import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { getProgram } from "./install.ts";
import type { Scratch, Server } from "./scratch.ts";

const HOST = "127.0.0.1";

/** The user that every node is made with; it may do everything. */
export const RABBITMQ_USER = "authmq";

/** What one node of RabbitMQ is told. */
interface NodeOptions {
  /** Names its folder and its log. */
  readonly name: string;
  /** Its name among Erlang's nodes. */
  readonly nodeName: string;
  readonly amqp: number;
  readonly management: number;
  readonly distribution: number;
  readonly epmd: number;
  readonly cookie: string;
  readonly password: string;
  /** How many of its threads run at once. */
  readonly schedulers: number;
  /** Whether idle threads spin for a while before they sleep: Erlang's default, which costs others their processor. */
  readonly busyWait?: boolean | undefined;
  /** Further lines of rabbitmq.conf. */
  readonly settings?: readonly string[];
  /** Plugins beside the management one. */
  readonly plugins?: readonly string[];
  /** What advanced.config has, as Erlang terms. */
  readonly advanced?: string;
}

/** The folder whose *.conf files a node reads at each start, after its rabbitmq.conf. */
export function configFolder(scratch: Scratch, name: string): string {
  return scratch.subfolder(`${name}/conf.d`);
}

/** A node as a process here, on loopback only, with a folder of its own; it is not started yet. */
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
    // A node whose epmd has gone starts one as a daemon that outlives everything: seen when both ended at once.
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
    // As under systemd the start script becomes the node itself: the process that we know is the one that serves.
    RUNNING_UNDER_SYSTEMD: "true",
  };
  return scratch.process(getProgram("/usr/lib/rabbitmq/bin/rabbitmq-server"), [], { name, env });
}

/** The port mapper that nodes find each other by; started here, so that it is known by its pid. */
export function portMapper(scratch: Scratch, port: number): Server {
  return scratch.process(getProgram("epmd"), ["-address", HOST, "-port", String(port)], {
    name: `epmd-${port}`,
    env: { PATH: process.env["PATH"] },
  });
}
