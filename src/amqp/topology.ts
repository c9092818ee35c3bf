import type { Channel } from "amqplib";
import type { QueueProfile } from "../config/sections/amqp.ts";
import { messageOf } from "../errors.ts";

interface Declaration {
  readonly durable: boolean;
  readonly autoDelete: boolean;
  readonly arguments: Readonly<Record<string, string | number>>;
}

/** authmq's own profiles have no dead-letter exchange, because a request may contain a password. */
const DECLARATIONS: Readonly<Record<QueueProfile, Declaration>> = {
  durable: { durable: true, autoDelete: false, arguments: {} },
  // The limit is a backstop: a worker parks a poison message long before.
  quorum: {
    durable: true,
    autoDelete: false,
    arguments: { "x-queue-type": "quorum", "x-delivery-limit": 20 },
  },
  // Exactly like py_auth_micro: the broker refuses a declaration that differs.
  transient: { durable: false, autoDelete: true, arguments: { "x-dead-letter-exchange": "rpc.dlx" } },
};

/** Where an existing queue differs from its declaration; the broker reports only the first difference. */
export interface QueueDifference {
  readonly argument: string;
  readonly wanted: string;
  readonly found: string;
}

/** A queue exists with other properties; `advice` says in one sentence what to do. */
export class QueueMismatchError extends Error {
  override readonly name = "QueueMismatchError";
  readonly difference: QueueDifference;
  readonly advice: string;

  constructor(queue: string, difference: QueueDifference, cause: unknown) {
    const { argument, wanted, found } = difference;
    const advice = adviceOn(difference);
    super(
      `the queue ${queue} has other properties (${argument}: wanted ${wanted}, found ${found}). ${advice}`,
      {
        cause,
      },
    );
    this.difference = difference;
    this.advice = advice;
  }
}

/** Declares a queue; throws a QueueMismatchError when it exists with other properties. */
export async function declareQueue(channel: Channel, queue: string, profile: QueueProfile): Promise<void> {
  try {
    await channel.assertQueue(queue, DECLARATIONS[profile]);
  } catch (error) {
    throw findQueueMismatch(error, queue, profile) ?? error;
  }
}

/** The mismatch in the broker's error; undefined for any other error. */
export function findQueueMismatch(
  error: unknown,
  queue: string,
  profile: QueueProfile,
): QueueMismatchError | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  // RESOURCE_LOCKED: an exclusive queue of another connection.
  if (code === 405)
    return new QueueMismatchError(queue, { argument: "exclusive", wanted: "false", found: "true" }, error);
  const difference = code === 406 ? readDifference(messageOf(error), profile) : undefined;
  return difference && new QueueMismatchError(queue, difference, error);
}

/** Parses RabbitMQ's "inequivalent arg ..."; after a long queue name the text may be cut at 255 bytes. */
function readDifference(text: string, profile: QueueProfile): QueueDifference | undefined {
  const argument = /inequivalent arg '([^']+)'/.exec(text)?.[1];
  if (argument === undefined) return undefined;
  const [, received, current] = /': received (.+?) but current is (.+?)"?$/s.exec(text) ?? [];
  return {
    argument,
    wanted: received === undefined ? wantedBy(profile, argument) : valueIn(received),
    found: current === undefined ? "something else" : valueIn(current),
  };
}

/** The bare value of `none`, `'true'` or `the value '5000' of type 'signedint'`. */
function valueIn(text: string): string {
  return /^(?:the value )?'(.*?)'(?: of type '\w+')?$/s.exec(text)?.[1] ?? text;
}

function wantedBy(profile: QueueProfile, argument: string): string {
  const { durable, autoDelete, arguments: others } = DECLARATIONS[profile];
  if (argument === "durable") return String(durable);
  return argument === "auto_delete" ? String(autoDelete) : String(others[argument] ?? "none");
}

function adviceOn({ argument, found }: QueueDifference): string {
  if (argument === "exclusive")
    return "Another program uses it exclusively: stop that program, or choose another name in queue_settings.";
  const profile = profileLike(argument, found);
  const other = profile === undefined ? "" : `, or set amqp_settings.queues to ${profile}`;
  return `Delete the queue when it is empty${other}.`;
}

/** The profile that declares queues with this value. */
function profileLike(argument: string, found: string): QueueProfile | undefined {
  switch (`${argument} ${found}`) {
    case "durable false":
      return "transient";
    case "x-queue-type quorum":
      return "quorum";
    case "durable true":
    case "x-queue-type none":
    case "x-queue-type classic":
      return "durable";
    default:
      return undefined;
  }
}
