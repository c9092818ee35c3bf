import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { KerberosConfig } from "../../config/kerberos.ts";
import { kerberosEnvironment } from "./environment.ts";

/** A request for the user of a client's ticket, or of the ticket in a cache of kinit. */
export type HelperTask =
  | { readonly kind: "ticket"; readonly ticket: string }
  | { readonly kind: "cache"; readonly cache: string };

/** A task with an id, which the answer repeats. */
export type HelperRequest = HelperTask & { readonly id: number };

/** The principal, verified with the keytab, and the reply token for the client; or the stage that failed. */
export type HelperAnswer =
  | { readonly id: number; readonly ok: true; readonly username: string; readonly response: string | null }
  | {
      readonly id: number;
      readonly ok: false;
      readonly stage: "load" | "client" | "keytab" | "server";
      readonly fault: string;
    };

/** In milliseconds; long, because the machine may be busy. */
const START_TIMEOUT = 10_000;

/** The helper has this file's extension: .ts in a checkout, .js in the package. */
const ENTRY = fileURLToPath(new URL(import.meta.url.replace(/helper-client(\.[jt]s)$/, "helper$1")));

/** The helper process of a worker; it is started on demand, and again after it has died. */
export class KerberosHelper {
  readonly #config: KerberosConfig;
  readonly #waiting = new Map<number, (answer: HelperAnswer | Error) => void>();
  #process: ChildProcess | undefined;
  #stopped = false;
  #lastId = 0;

  constructor(config: KerberosConfig) {
    this.#config = config;
  }

  /** Sends a task; rejects if the helper dies or does not answer within `timeout` ms. */
  async ask(task: HelperTask, timeout: number): Promise<HelperAnswer> {
    const child = await this.#start();
    const id = ++this.#lastId;
    return this.#answerTo(id, timeout, () => child.send({ ...task, id }));
  }

  /** Ends the process; complete on return, and may be called twice. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const child = this.#process;
    if (child?.pid === undefined) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  async #start(): Promise<ChildProcess> {
    if (this.#process !== undefined) return this.#process;
    if (this.#stopped) throw new Error("the Kerberos helper is stopped");
    const child = fork(ENTRY, [this.#config.service], {
      env: kerberosEnvironment(this.#config),
      execArgv: [],
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    this.#process = child;
    child.on("message", (message) => {
      const answer = message as HelperAnswer; // only the helper sends messages
      this.#waiting.get(answer.id)?.(answer);
    });
    const ended = (why: string): void => {
      if (this.#process === child) this.#process = undefined;
      for (const settle of this.#waiting.values()) settle(new Error(why));
    };
    child.on("exit", () => ended("the Kerberos helper ended"));
    child.on("error", (error) => {
      // A process that could not be started emits no "exit"; other errors are followed by "exit" or a timeout.
      if (child.pid === undefined) ended(`the Kerberos helper cannot be started: ${error.message}`);
    });
    const greeting = await this.#answerTo(0, START_TIMEOUT, () => undefined);
    if (greeting.ok) return child;
    child.kill("SIGKILL");
    throw new Error(`the package "kerberos" cannot be used: ${greeting.fault}`);
  }

  #answerTo(id: number, timeout: number, send: () => void): Promise<HelperAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<HelperAnswer>();
    const timer = setTimeout(() => {
      // The next task needs a process that does not hang.
      this.#process?.kill("SIGKILL");
      reject(new Error(`no answer from the Kerberos helper within ${timeout} ms`));
    }, timeout);
    this.#waiting.set(id, (answer) => (answer instanceof Error ? reject(answer) : resolve(answer)));
    send();
    return promise.finally(() => {
      clearTimeout(timer);
      this.#waiting.delete(id);
    });
  }
}
