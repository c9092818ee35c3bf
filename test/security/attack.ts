import type { Options } from "amqplib";
import type { QueueName } from "../../src/wire/queues.ts";
import type { Envelope } from "./envelopes.ts";
import type { AttackedInstallation, AttackFixture } from "./fixture.ts";

/** The request of an attack, and the expected reply. */
export interface AttackContext {
  /** An object is sent as JSON, anything else unchanged. */
  readonly request: object | string | Uint8Array;
  /** Override a new correlation id and a valid reply_to. */
  readonly properties?: Options.Publish;
  /** A correlation id as bytes, if it is not valid text. */
  readonly rawCorrelationId?: Uint8Array;
  /**
   * The complete reply, with matchers for random values; "none" if no reply may be sent; "broker" if the broker rejects
   * the message.
   */
  readonly reply: Envelope | "none" | "broker";
  /** Further assertions. A rejected request must change no user, token, group or membership in any case. */
  readonly after?: (reply: Envelope) => Promise<void>;
}

/** One attack: its installation, its queue and its request. */
export interface Attack {
  readonly name: string;
  readonly queue: QueueName;
  readonly on: AttackedInstallation;
  readonly stage: (fixture: AttackFixture) => AttackContext | Promise<AttackContext>;
}

/** Defines an attack; its scene may create users and tokens. */
export function attack(
  name: string,
  queue: QueueName,
  scene: AttackContext | Attack["stage"],
  on: AttackedInstallation = "usual",
): Attack {
  return { name, queue, on, stage: typeof scene === "function" ? scene : () => scene };
}

/** Defines one attack for each input; the attack's name ends with the input's name. */
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

/** Selects inputs by name. */
export function pick<Input>(
  inputs: Readonly<Record<string, Input>>,
  ...names: readonly string[]
): Record<string, Input> {
  return Object.fromEntries(names.map((name) => [name, inputs[name]!]));
}
