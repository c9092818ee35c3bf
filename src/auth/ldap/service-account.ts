import type { DirectoryConfig, DirectoryServer } from "../../config/directory.ts";
import { AppError } from "../../errors.ts";
import type { Log } from "../../observability/log.ts";
import type { LdapConnection } from "./connection.ts";
import { adviceOnLdapReason, findLdapReason } from "./reason.ts";

/** The pause after a refused password, in milliseconds, because directories lock accounts after some attempts. */
export const REFUSAL_PAUSE = 60_000;

/** Binds as the service account, and records which servers refuse its password. */
export class ServiceAccount {
  readonly #account: DirectoryConfig["service"];
  readonly #log: Log;
  readonly #clock: () => number;
  /** When each server refused the password. */
  readonly #refused = new Map<string, number>();
  /** The last running or waiting bind of each server. */
  readonly #turns = new Map<string, Promise<void>>();
  #fault: string | undefined;

  /** `clock` is monotonic, in milliseconds. */
  constructor(account: DirectoryConfig["service"], log: Log, clock = (): number => performance.now()) {
    this.#account = account;
    this.#log = log;
    this.#clock = clock;
  }

  /** Why the last bind was refused; undefined if it succeeded. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Throws UNAVAILABLE during the pause of a server, so that the caller need not connect. */
  checkPause({ url }: DirectoryServer): void {
    const refusedAt = this.#refused.get(url);
    const left = refusedAt === undefined ? 0 : refusedAt + REFUSAL_PAUSE - this.#clock();
    // The request that made the attempt has already logged the cause.
    if (left > 0)
      throw unavailable(`the service account is refused; next attempt in ${Math.ceil(left / 1000)} s`);
  }

  /**
   * Binds as the service account; throws UNAVAILABLE if it is refused. Binds to a server are serialized: with a wrong
   * password, concurrent requests must not cause several failed attempts.
   */
  async bind(connection: LdapConnection, server: DirectoryServer): Promise<void> {
    const before = this.#turns.get(server.url);
    const { promise: turn, resolve: finish } = Promise.withResolvers<void>();
    this.#turns.set(server.url, turn);
    try {
      await before;
      this.checkPause(server);
      await this.#bindNow(connection, server);
    } finally {
      finish();
      if (this.#turns.get(server.url) === turn) this.#turns.delete(server.url);
    }
  }

  async #bindNow(connection: LdapConnection, { url }: DirectoryServer): Promise<void> {
    if (this.#account === undefined) throw new Error("no service account is configured");
    const refusal = await connection.bind(this.#account.dn, this.#account.password);
    if (refusal === undefined) {
      this.#fault = undefined;
      if (this.#refused.delete(url))
        this.#log.info({ server: url }, "the directory accepts the service account again");
      return;
    }
    this.#fault = `the service account is refused with ${adviceOnLdapReason(refusal)}`;
    // Other refusals, for example because TLS is missing, do not check the password and cannot lock the account.
    if (findLdapReason(refusal) !== undefined) this.#refused.set(url, this.#clock());
    throw unavailable(this.#fault);
  }
}

function unavailable(reason: string): AppError {
  return new AppError("UNAVAILABLE", `directory: ${reason}`);
}
