import type { Config } from "../config/load.ts";
import { messageOf } from "../errors.ts";

/** Why the broker closed a connection or channel, or refused to open one. */
export interface BrokerReason {
  /** AMQP's reply code; undefined where amqplib itself found the limit. */
  readonly code: number | undefined;
  /** The broker's own text. */
  readonly reason: string;
  /** What to do, in whole sentences. */
  readonly advice: string;
  /** Whether waiting or the broker's operator may end it: it is no mistake of this configuration. */
  readonly isPassing: boolean;
}

type Broker = Pick<Config["amqp"], "username" | "vhost">;

/** Channels of a worker on its connections for replies, first replies, events and the log: each may need another one. */
const OTHER_CHANNELS = [2, 1, 2, 1];

const OTHERS = OTHER_CHANNELS.reduce((sum, count) => sum + count, 0);

/** The channels that a worker with so many queues opens, one number for each of its connections. */
export function channelsNeeded(queues: number): readonly number[] {
  return [queues, ...OTHER_CHANNELS];
}

interface Cause {
  readonly pattern: RegExp;
  readonly advice: (broker: Broker) => string;
  readonly isPassing?: true;
}

const limits = (command: string): string => `Raise it: rabbitmqctl ${command}`;
const worker = `A worker needs ${1 + OTHER_CHANNELS.length} connections at most.`;
const channels = `A worker needs a channel for each queue on one connection, and ${OTHERS} more.`;

/** From the texts of RabbitMQ 3.10 to 4.3; the first one that fits. */
const CAUSES: readonly Cause[] = [
  {
    pattern: /user connection limit/,
    advice: ({ username }) => `${worker} ${limits(`set_user_limits ${username} '{"max-connections": N}'`)}`,
    isPassing: true,
  },
  {
    pattern: /number of channels opened for user/,
    advice: ({ username }) => `${channels} ${limits(`set_user_limits ${username} '{"max-channels": N}'`)}`,
    isPassing: true,
  },
  {
    pattern: /No channels left to allocate|number of channels opened .* limit|channel_max/,
    advice: () => `${channels} Raise channel_max in rabbitmq.conf.`,
    isPassing: true,
  },
  {
    pattern: /refused for user .*connection limit/,
    advice: ({ vhost }) => `${worker} ${limits(`set_vhost_limits -p ${vhost} '{"max-connections": N}'`)}`,
    isPassing: true,
  },
  {
    pattern: /connection limit/,
    advice: () => `${worker} Raise connection_max in rabbitmq.conf.`,
    isPassing: true,
  },
  {
    pattern: /vhost .* is down/,
    advice: ({ vhost }) => `Look into the broker's log, then: rabbitmqctl restart_vhost -p ${vhost}`,
    isPassing: true,
  },
  {
    pattern: /vhost .* not found/,
    advice: ({ vhost }) => `Check amqp_settings.vhost, or create it: rabbitmqctl add_vhost ${vhost}`,
  },
  {
    pattern: /access to vhost .* refused/,
    advice: (broker) => grant(broker, "access to the vhost"),
  },
  {
    pattern: /Login was refused|ACCESS_REFUSED - Login/,
    advice: ({ username }) =>
      `Check amqp_settings.username and password.${username === "guest" ? " The user guest may come only from the broker's own host." : ""}`,
  },
  {
    pattern: /access to (?:queue|exchange|topic) /,
    advice: (broker) => grant(broker, "permission"),
    isPassing: true,
  },
  {
    pattern: /transient_nonexcl_queues|deprecated/,
    advice: () => "Set amqp_settings.queues to durable or quorum.",
  },
  {
    pattern: /low on (?:memory|disk)|resource alarm/,
    advice: () => "Free memory or disk space on the broker's host: rabbitmq-diagnostics alarms",
    isPassing: true,
  },
  {
    pattern: /delivery acknowledgement .* timed out/,
    advice: () => "A request took longer than the broker's consumer_timeout: look what it waited for.",
    isPassing: true,
  },
];

/** By AMQP's reply code, where the text says nothing more. */
const ADVICE: Readonly<Record<number, string>> = {
  320: "The broker's operator closed it, or the broker stops: see its log. The worker comes back by itself.",
  403: "Check the user's permissions: rabbitmqctl list_permissions",
  405: "Another connection has it for itself: end that program.",
  406: "See the broker's log.",
  501: "Something between here and the broker changes the data: look for a proxy.",
  505: "Something between here and the broker changes the data: look for a proxy.",
  506: "The broker is short of a resource: see its log, and rabbitmq-diagnostics alarms",
  530: "Check amqp_settings.vhost, and the limits of user and vhost: rabbitmqctl list_vhost_limits, list_user_limits",
  541: "The broker met an internal error: see its log.",
};

/** Codes of conditions that pass without a change of the configuration (AMQP 0-9-1, 1.1). */
const PASSING = [311, 313, 320, 501, 504, 505, 506, 541];

/** Reads the broker's reason from an error of amqplib; undefined where the broker gave none (the network, say). */
export function readReason(error: unknown, broker: Broker): BrokerReason | undefined {
  const message = messageOf(error);
  const [, code, text] = /\b(\d{3})\b(?: \([A-Z-]+\))? with message "(.*?)"?\)?$/s.exec(message) ?? [];
  if (text === undefined && !message.includes(NO_CHANNELS)) return undefined;
  return explain(text ?? NO_CHANNELS, code === undefined ? undefined : Number(code), broker);
}

/** What a text of the broker means, of a `connection.blocked` for example. */
export function explain(reason: string, code: number | undefined, broker: Broker): BrokerReason {
  const cause = CAUSES.find(({ pattern }) => pattern.test(reason));
  const isPassing = cause === undefined ? PASSING.includes(code ?? 0) : cause.isPassing === true;
  const advice = cause?.advice(broker) ?? ADVICE[code ?? 0] ?? "See the broker's log.";
  return { code, reason, advice, isPassing };
}

const NO_CHANNELS = "No channels left to allocate";

function grant({ username, vhost }: Broker, what: string): string {
  return `Give the user ${what}: rabbitmqctl set_permissions -p ${vhost} ${username} ".*" ".*" ".*"`;
}
