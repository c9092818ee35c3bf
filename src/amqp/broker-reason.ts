import type { Config } from "../config/load.ts";
import { messageOf } from "../errors.ts";

/** Why the broker closed or refused a connection or channel. */
export interface BrokerReason {
  /** AMQP reply code; undefined when amqplib itself hit the limit. */
  readonly code: number | undefined;
  /** The broker's text. */
  readonly reason: string;
  /** What an operator does about it, in full sentences. */
  readonly advice: string;
  /** True when the error may end without a change of authmq's configuration, so that a retry makes sense. */
  readonly isTransient: boolean;
}

type Broker = Pick<Config["amqp"], "username" | "vhost">;

/** Channels on the connections for replies, first replies, events and the log, including channels for checks. */
const OTHER_CHANNELS = [2, 1, 2, 1];

const OTHERS = OTHER_CHANNELS.reduce((sum, count) => sum + count, 0);

/** How many channels a worker with this number of queues opens, one entry per connection. */
export function channelsNeeded(queues: number): readonly number[] {
  return [queues, ...OTHER_CHANNELS];
}

interface Cause {
  readonly pattern: RegExp;
  readonly advice: (broker: Broker) => string;
  readonly isTransient?: true;
}

const limits = (command: string): string => `Raise the limit: rabbitmqctl ${command}`;
const worker = `A worker needs at most ${1 + OTHER_CHANNELS.length} connections.`;
const channels = `A worker needs one channel per queue on one connection, and ${OTHERS} more channels.`;

/** Patterns for the texts of RabbitMQ 3.10 to 4.3; the first match counts. */
const CAUSES: readonly Cause[] = [
  {
    pattern: /user connection limit/,
    advice: ({ username }) => `${worker} ${limits(`set_user_limits ${username} '{"max-connections": N}'`)}`,
    isTransient: true,
  },
  {
    pattern: /number of channels opened for user/,
    advice: ({ username }) => `${channels} ${limits(`set_user_limits ${username} '{"max-channels": N}'`)}`,
    isTransient: true,
  },
  {
    pattern: /No channels left to allocate|number of channels opened .* limit|channel_max/,
    advice: () => `${channels} Raise channel_max in rabbitmq.conf.`,
    isTransient: true,
  },
  {
    pattern: /refused for user .*connection limit/,
    advice: ({ vhost }) => `${worker} ${limits(`set_vhost_limits -p ${vhost} '{"max-connections": N}'`)}`,
    isTransient: true,
  },
  {
    pattern: /connection limit/,
    advice: () => `${worker} Raise connection_max in rabbitmq.conf.`,
    isTransient: true,
  },
  {
    pattern: /vhost .* is down/,
    advice: ({ vhost }) => `Check the broker's log, then run: rabbitmqctl restart_vhost -p ${vhost}`,
    isTransient: true,
  },
  {
    pattern: /vhost .* not found/,
    advice: ({ vhost }) => `Check amqp_settings.vhost, or create the vhost: rabbitmqctl add_vhost ${vhost}`,
  },
  {
    pattern: /access to vhost .* refused/,
    advice: (broker) => grant(broker, "access to the vhost"),
  },
  {
    pattern: /Login was refused|ACCESS_REFUSED - Login/,
    advice: ({ username }) =>
      `Check amqp_settings.username and password.${username === "guest" ? GUEST : ""}`,
  },
  {
    pattern: /access to (?:queue|exchange|topic) /,
    advice: (broker) => grant(broker, "permission"),
    isTransient: true,
  },
  {
    pattern: /transient_nonexcl_queues|deprecated/,
    advice: () => "Set amqp_settings.queues to durable or quorum.",
  },
  {
    pattern: /low on (?:memory|disk)|resource alarm/,
    advice: () => "Free memory or disk space on the broker's host: rabbitmq-diagnostics alarms",
    isTransient: true,
  },
  {
    pattern: /delivery acknowledgement .* timed out/,
    advice: () => "A request took longer than the broker's consumer_timeout: find out what it waited for.",
    isTransient: true,
  },
];

/** Advice by AMQP reply code, for texts that match no pattern. */
const ADVICE: Readonly<Record<number, string>> = {
  320: "An operator closed it, or the broker is stopping: see the broker's log. The worker reconnects by itself.",
  403: "Check the user's permissions: rabbitmqctl list_permissions",
  405: "Another connection uses it exclusively: stop that program.",
  406: "See the broker's log.",
  501: "The data changed between the worker and the broker: check for a proxy.",
  505: "The data changed between the worker and the broker: check for a proxy.",
  506: "The broker is short of a resource: see its log, and rabbitmq-diagnostics alarms",
  530: "Check amqp_settings.vhost, and the limits of user and vhost: rabbitmqctl list_vhost_limits, list_user_limits",
  541: "The broker had an internal error: see its log.",
};

/** Codes of errors that may end without a change of the configuration (AMQP 0-9-1, 1.1). */
const TRANSIENT = [311, 313, 320, 501, 504, 505, 506, 541];

/** Reads the broker's reason from an amqplib error; undefined when it has none, such as a network error. */
export function readReason(error: unknown, broker: Broker): BrokerReason | undefined {
  const message = messageOf(error);
  const [, code, text] = /\b(\d{3})\b(?: \([A-Z-]+\))? with message "(.*?)"?\)?$/s.exec(message) ?? [];
  if (text === undefined && !message.includes(NO_CHANNELS)) return undefined;
  return explain(text ?? NO_CHANNELS, code === undefined ? undefined : Number(code), broker);
}

/** Explains a text of the broker, such as the reason of `connection.blocked`. */
export function explain(reason: string, code: number | undefined, broker: Broker): BrokerReason {
  const cause = CAUSES.find(({ pattern }) => pattern.test(reason));
  const isTransient = cause === undefined ? TRANSIENT.includes(code ?? 0) : cause.isTransient === true;
  const advice = cause?.advice(broker) ?? ADVICE[code ?? 0] ?? "See the broker's log.";
  return { code, reason, advice, isTransient };
}

const NO_CHANNELS = "No channels left to allocate";

const GUEST = " The user guest may connect only from the broker's host.";

function grant({ username, vhost }: Broker, what: string): string {
  return `Give the user ${what}: rabbitmqctl set_permissions -p ${vhost} ${username} ".*" ".*" ".*"`;
}
