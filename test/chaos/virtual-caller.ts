import { type Intents, type KnownUser, reuseKey } from "./intents.ts";
import { type Intent, isDefinite, isDone } from "./request-history.ts";
import { SESSIONS_PER_USER } from "./setup.ts";
import type { Random } from "./random.ts";
import type { Sender } from "./sender.ts";

/** Fraction of requests with an idempotency key. */
const KEYED = 0.7;

/** The result of the request is unknown: its user and group are not used any more. */
class Unknown extends Error {
  override readonly name = "Unknown";
}

interface CallerOptions {
  readonly name: string;
  readonly sender: Sender;
  readonly intents: Intents;
  readonly random: Random;
  /** Fraction of requests with a key. */
  readonly keyed?: number;
}

/** A caller that creates its own users and groups and uses them, with one request at a time. */
export class VirtualCaller {
  readonly #options: CallerOptions;
  #cycle = 0;
  #serial = 0;

  constructor(options: CallerOptions) {
    this.#options = options;
  }

  /** Runs until `stopped` is aborted, and then finishes the current request. */
  async run(stopped: AbortSignal): Promise<void> {
    while (!stopped.aborted) {
      try {
        await this.#runCycle(stopped);
      } catch (error) {
        if (!(error instanceof Unknown)) throw error;
      }
    }
  }

  /** The life of one user and one group, whose state is known at each step. */
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
      () => (random.chance(0.2) ? this.#sendInvalid(user, id) : done()),
      async () => {
        if (session !== undefined && random.chance(0.4)) session = await this.#renew(session);
      },
      async () => {
        if (session !== undefined && random.chance(0.4)) session = await this.#replace(user, session);
      },
      async () => {
        // One more than the limit: this login ends one of the others.
        if (random.chance(0.2))
          for (let extra = 0; extra < SESSIONS_PER_USER; extra++) session = await this.#login(user);
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
        await this.#do(intents.useRevokedToken(last));
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
    // Keep some, to compare them at the end.
    if (random.chance(0.6)) await this.#do(intents.deleteUser(user));
    if (random.chance(0.6)) await this.#do(intents.deleteGroup(group));
  }

  async #login(user: KnownUser): Promise<string> {
    const data = await this.#send(this.#options.intents.login(user));
    return String(data["id_token"]);
  }

  /** Renews the ID token of a session, which both tokens then belong to. */
  async #renew(idToken: string): Promise<string> {
    const data = await this.#send(this.#options.intents.renew(idToken));
    return String(data["id_token"]);
  }

  /** Logs in on a second device and revokes the first session from there; no token of it works afterwards. */
  async #replace(user: KnownUser, first: string): Promise<string> {
    const { intents } = this.#options;
    const second = await this.#login(user);
    const access = async (idToken: string): Promise<string> =>
      String((await this.#send(intents.getAccessToken(user, idToken)))["access_token"]);
    const [ofFirst, ofSecond] = [await access(first), await access(second)];
    await this.#do(intents.revokeSession(user, first, ofSecond));
    await this.#do(intents.useRevokedToken(first));
    await this.#do(intents.useRevokedAccess(user, ofFirst));
    return second;
  }

  async #changeEmail(user: KnownUser, id: string): Promise<void> {
    const email = this.#email(id);
    await this.#do(this.#options.intents.changeEmail(user, email));
    user.email = email;
  }

  /** Sends requests that must be rejected without an effect. */
  async #sendInvalid(user: KnownUser, id: string): Promise<void> {
    const { intents, sender, name } = this.#options;
    await this.#do(intents.loginWrongly(user));
    await this.#do(intents.addToMissingGroup(user, `missing-${id}`));
    const key = this.#key();
    const group = intents.createGroup(`k-${id}`);
    const first = await sender.send(group, { caller: name, key });
    if (isDone(first)) await sender.send(reuseKey(intents.createGroup(`x-${id}`)), { caller: name, key });
  }

  async #do(intent: Intent): Promise<void> {
    await this.#send(intent);
  }

  async #send(intent: Intent): Promise<Readonly<Record<string, unknown>>> {
    const { sender, random, keyed = KEYED, name } = this.#options;
    const key = random.chance(keyed) ? this.#key() : undefined;
    const request = await sender.send(intent, { caller: name, key });
    // The checker reports wrong replies; later steps that depend on one would add nothing.
    if (!isDefinite(request) || request.result?.code !== intent.expect) throw new Unknown();
    return request.result.data;
  }

  /** Sends a read; its result does not affect the known state. */
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
  // Skip this step.
}
