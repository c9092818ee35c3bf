import type { Options } from "amqplib";
import type { QueueName } from "../../src/wire/queues.ts";
import type { Envelope } from "./envelopes.ts";
import type { AttackedInstallation, AttackFixture } from "./fixture.ts";

/** What an attacker sends, and the one reply that it may get. */
export interface AttackContext {
  /** An object is sent as JSON, anything else as it is. */
  readonly request: object | string | Uint8Array;
  /** Laid over a fresh correlation id and a good reply_to. */
  readonly properties?: Options.Publish;
  /** A correlation id in bytes, where it is no text. */
  readonly rawCorrelationId?: Uint8Array;
  /**
   * The whole reply, with matchers where a value is random; "none" where nothing may come back; "broker" where the
   * broker itself refuses the message.
   */
  readonly reply: Envelope | "none" | "broker";
  /** What must be true afterwards, beyond this: a refused request has changed no user, token, group or membership. */
  readonly after?: (reply: Envelope) => Promise<void>;
}

/** One attack: on which installation, over which queue, with what. */
export interface Attack {
  readonly name: string;
  readonly queue: QueueName;
  readonly on: AttackedInstallation;
  readonly stage: (fixture: AttackFixture) => AttackContext | Promise<AttackContext>;
}

/** An attack; its scene may be set up with users and tokens of its own. */
export function attack(
  name: string,
  queue: QueueName,
  scene: AttackContext | Attack["stage"],
  on: AttackedInstallation = "usual",
): Attack {
  return { name, queue, on, stage: typeof scene === "function" ? scene : () => scene };
}

/** One attack for each input; the inputs' names complete the sentence. */
export function attacks<Input>(
  name: string,
  queue: QueueName,
  inputs: Readonly<Record<string, Input>>,
  scene: (input: Input, fixture: AttackFixture, what: string) => AttackContext | Promise<AttackContext>,
  on: AttackedInstallation = "usual",
): Attack[] {
  return Object.entries(inputs).map(([what, input]) =>
    attack(`${name} ${what}`, queue, (fixture) => scene(input, fixture, what), on),
  );
}

/** Some of many inputs. */
export function pick<Input>(
  inputs: Readonly<Record<string, Input>>,
  ...names: readonly string[]
): Record<string, Input> {
  return Object.fromEntries(names.map((name) => [name, inputs[name]!]));
}
