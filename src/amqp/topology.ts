import type { Channel } from "amqplib";
import type { QueueProfile } from "../config/sections/amqp.ts";
import { messageOf } from "../errors.ts";

interface Declaration {
  readonly durable: boolean;
  readonly autoDelete: boolean;
  readonly arguments: Readonly<Record<string, string | number>>;
}

/** In none of the own profiles there is a dead-letter exchange: a request may hold a password. */
const DECLARATIONS: Readonly<Record<QueueProfile, Declaration>> = {
  durable: { durable: true, autoDelete: false, arguments: {} },
  // The limit is a backstop: a worker sets a request that fails aside long before.
  quorum: {
    durable: true,
    autoDelete: false,
    arguments: { "x-queue-type": "quorum", "x-delivery-limit": 20 },
  },
  // To the letter as py_auth_micro does: the broker refuses the second of two that differ.
  transient: { durable: false, autoDelete: true, arguments: { "x-dead-letter-exchange": "rpc.dlx" } },
};

/** Where a queue that is there differs from its declaration; the broker tells of one such place only. */
export interface QueueDifference {
  readonly argument: string;
  readonly wanted: string;
  readonly found: string;
}

/** A queue is there already and was declared otherwise; `advice` says in a sentence what to do about it. */
export class QueueMismatchError extends Error {
  override readonly name = "QueueMismatchError";
  readonly difference: QueueDifference;
  readonly advice: string;

  constructor(queue: string, difference: QueueDifference, cause: unknown) {
    const { argument, wanted, found } = difference;
    const advice = adviceOn(difference);
    super(`the queue ${queue} is another one: ${argument}: wanted ${wanted}, found ${found}. ${advice}`, {
      cause,
    });
    this.difference = difference;
    this.advice = advice;
  }
}

/** Makes the queue where it is missing; throws a QueueMismatchError and changes nothing where it is another one. */
export async function declareQueue(channel: Channel, queue: string, profile: QueueProfile): Promise<void> {
  try {
    await channel.assertQueue(queue, DECLARATIONS[profile]);
  } catch (error) {
    throw findQueueMismatch(error, queue, profile) ?? error;
  }
}

/** What the broker's refusal says of a queue that does not fit; undefined for any other error. */
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

/** Reads RabbitMQ's "inequivalent arg ..."; the protocol cuts a text behind 255 bytes, and a queue's name may be long. */
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

/** `none`, `'true'` or `the value '5000' of type 'signedint'`, without what is around it. */
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
    return "Another program has it for itself: end that program, or name the queue differently in queue_settings.";
  const profile = profileLike(argument, found);
  const other = profile === undefined ? "" : `, or set amqp_settings.queues to ${profile}`;
  return `Delete such a queue once it is empty${other}.`;
}

/** The profile that such a queue may come from. */
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
