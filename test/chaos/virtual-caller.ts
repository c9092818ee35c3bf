import { type Intents, type KnownUser, reuseKey } from "./intents.ts";
import { type Intent, isDefinite, isDone } from "./request-history.ts";
import type { Random } from "./random.ts";
import type { Sender } from "./sender.ts";

/** Of a hundred requests so many have an idempotency key. */
const KEYED = 0.7;

/** Nobody knows whether the request was done: what it was about is left alone from here on. */
class Unknown extends Error {
  override readonly name = "Unknown";
}

interface CallerOptions {
  readonly name: string;
  readonly sender: Sender;
  readonly intents: Intents;
  readonly random: Random;
  /** The part of its requests that have a key. */
  readonly keyed?: number;
}

/** Somebody who makes users and groups of its own and uses them, one request after the other. */
export class VirtualCaller {
  readonly #options: CallerOptions;
  #cycle = 0;
  #serial = 0;

  constructor(options: CallerOptions) {
    this.#options = options;
  }

  /** Goes on until it is told to stop, and then finishes the request that it has begun. */
  async run(stopped: AbortSignal): Promise<void> {
    while (!stopped.aborted) {
      try {
        await this.#runCycle(stopped);
      } catch (error) {
        if (!(error instanceof Unknown)) throw error;
      }
    }
  }

  /** The life of one user and one group; what becomes of both is known at each moment. */
  async #runCycle(stopped: AbortSignal): Promise<void> {
    const { intents, random, name } = this.#options;
    const id = `${name}-${++this.#cycle}`;
    const user: KnownUser = {
      username: `u-${id}`,
      password: `secret ${id}`,
      email: this.#email(id),
      groups: [],
    };
    const group = `g-${id}`;
    let session: string | undefined;

    const steps: (() => Promise<void>)[] = [
      () => this.#do(intents.createUser(user)),
      () => (random.chance(0.3) ? this.#do(intents.createTakenUser(user, this.#email(id))) : done()),
      () => this.#do(intents.createGroup(group)),
      async () => {
        await this.#do(intents.addMember(user, group));
        user.groups = [group];
      },
      async () => {
        session = await this.#login(user);
      },
      () => this.#changeEmail(user, id),
      () => (random.chance(0.2) ? this.#misuse(user, id) : done()),
      async () => {
        if (!random.chance(0.3)) return;
        const earlier = session;
        session = await this.#login(user);
        if (earlier !== undefined) await this.#do(intents.useDeadToken(earlier));
      },
      () => this.#changeEmail(user, id),
      async () => {
        if (!random.chance(0.6)) return;
        await this.#do(intents.removeMember(user, group));
        user.groups = [];
      },
      async () => {
        const last = session;
        if (last === undefined || !random.chance(0.6)) return;
        await this.#do(intents.logout(user, last));
        session = undefined;
        await this.#do(intents.useDeadToken(last));
      },
    ];
    for (const step of steps) {
      await step();
      for (let reads = random.between(1, 2); reads > 0 && !stopped.aborted; reads--) {
        await this.#read(
          session !== undefined && random.chance(0.6)
            ? intents.getAccessToken(user, session)
            : intents.getUser(user),
        );
      }
      if (stopped.aborted) return;
    }
    // Some stay, so that there is something to compare at the end.
    if (random.chance(0.6)) await this.#do(intents.deleteUser(user));
    if (random.chance(0.6)) await this.#do(intents.deleteGroup(group));
  }

  async #login(user: KnownUser): Promise<string> {
    const data = await this.#ask(this.#options.intents.login(user));
    return String(data["id_token"]);
  }

  async #changeEmail(user: KnownUser, id: string): Promise<void> {
    const email = this.#email(id);
    await this.#do(this.#options.intents.changeEmail(user, email));
    user.email = email;
  }

  /** What is refused must have no effect. */
  async #misuse(user: KnownUser, id: string): Promise<void> {
    const { intents, sender, name } = this.#options;
    await this.#do(intents.loginWrongly(user));
    await this.#do(intents.addToMissingGroup(user, `missing-${id}`));
    const key = this.#key();
    const group = intents.createGroup(`k-${id}`);
    const first = await sender.send(group, { caller: name, key });
    if (isDone(first)) await sender.send(reuseKey(intents.createGroup(`x-${id}`)), { caller: name, key });
  }

  async #do(intent: Intent): Promise<void> {
    await this.#ask(intent);
  }

  async #ask(intent: Intent): Promise<Readonly<Record<string, unknown>>> {
    const { sender, random, keyed = KEYED, name } = this.#options;
    const key = random.chance(keyed) ? this.#key() : undefined;
    const request = await sender.send(intent, { caller: name, key });
    // A wrong answer is found by the checker; nothing that builds on it would tell more.
    if (!isDefinite(request) || request.answer?.code !== intent.expect) throw new Unknown();
    return request.answer.data;
  }

  /** A read changes nothing: whatever comes of it, what is known stays known. */
  async #read(intent: Intent): Promise<void> {
    const { sender, random, keyed = KEYED, name } = this.#options;
    await sender.send(intent, { caller: name, key: random.chance(keyed) ? this.#key() : undefined });
  }

  #key(): string {
    return `${this.#options.name}-${this.#options.random.hex(16)}`;
  }

  #email(id: string): string {
    return `${id}-${++this.#serial}@example.com`;
  }
}

async function done(): Promise<void> {
  // Not this time.
}
