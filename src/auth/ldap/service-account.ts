import type { DirectoryConfig, DirectoryServer } from "../../config/directory.ts";
import { AppError } from "../../errors.ts";
import type { Log } from "../../observability/log.ts";
import type { LdapConnection } from "./connection.ts";
import { adviceOnLdapReason, findLdapReason } from "./reason.ts";

/** How long a refused password is not sent again, in milliseconds: directories lock an account after some attempts. */
export const REFUSAL_PAUSE = 60_000;

/** The account that searches the directory, and whether each server accepts its password. */
export class ServiceAccount {
  readonly #account: DirectoryConfig["service"];
  readonly #log: Log;
  readonly #clock: () => number;
  /** Servers that refused the password, and when they did. */
  readonly #refused = new Map<string, number>();
  /** The last of the binds that run or wait, for each server. */
  readonly #turns = new Map<string, Promise<void>>();
  #fault: string | undefined;

  /** `clock` counts milliseconds and never goes back. */
  constructor(account: DirectoryConfig["service"], log: Log, clock = (): number => performance.now()) {
    this.#account = account;
    this.#log = log;
    this.#clock = clock;
  }

  /** Why the server that was asked last refused the account; undefined where it accepted it. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Throws UNAVAILABLE while a server is not to be asked, so that the caller need not connect. */
  checkPause({ url }: DirectoryServer): void {
    const refusedAt = this.#refused.get(url);
    const left = refusedAt === undefined ? 0 : refusedAt + REFUSAL_PAUSE - this.#clock();
    // The cause is in the log already, with the request that made the attempt.
    if (left > 0)
      throw unavailable(`the service account is refused; next attempt in ${Math.ceil(left / 1000)} s`);
  }

  /**
   * Binds as the service account; throws UNAVAILABLE where it is refused. Binds to one server run one after the other: if
   * the password is no longer right, requests that run together must not count as several failed attempts.
   */
  async bind(connection: LdapConnection, server: DirectoryServer): Promise<void> {
    const before = this.#turns.get(server.url);
    const { promise: done, resolve: finish } = Promise.withResolvers<void>();
    this.#turns.set(server.url, done);
    try {
      await before;
      this.checkPause(server);
      await this.#bindNow(connection, server);
    } finally {
      finish();
      if (this.#turns.get(server.url) === done) this.#turns.delete(server.url);
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
    // Otherwise no password was checked, for want of TLS for example, and nothing can be locked.
    if (findLdapReason(refusal) !== undefined) this.#refused.set(url, this.#clock());
    throw unavailable(this.#fault);
  }
}

function unavailable(reason: string): AppError {
  return new AppError("UNAVAILABLE", `directory: ${reason}`);
}
