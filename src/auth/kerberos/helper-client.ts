import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { KerberosConfig } from "../../config/kerberos.ts";
import { kerberosEnvironment } from "./environment.ts";

/** What the helper is asked: whom a client's ticket names, or whom the ticket in a cache of kinit names. */
export type Question =
  | { readonly kind: "ticket"; readonly ticket: string }
  | { readonly kind: "cache"; readonly cache: string };

/** A question, with the number that its answer will have. */
export type HelperRequest = Question & { readonly id: number };

/** The principal that the keytab's key vouches for, and the answer to its client; or at which stage it failed. */
export type HelperAnswer =
  | { readonly id: number; readonly ok: true; readonly username: string; readonly response: string | null }
  | {
      readonly id: number;
      readonly ok: false;
      readonly stage: "load" | "client" | "keytab" | "server";
      readonly fault: string;
    };

/** A process may take long to start on a busy machine, in milliseconds. */
const START_TIMEOUT = 10_000;

/** This file's own ending: .ts in a checkout, .js in the package. */
const ENTRY = fileURLToPath(new URL(import.meta.url.replace(/helper-client(\.[jt]s)$/, "helper$1")));

/** The helper process of one worker, which is started when it is needed and again when it has died. */
export class KerberosHelper {
  readonly #config: KerberosConfig;
  readonly #waiting = new Map<number, (answer: HelperAnswer | Error) => void>();
  #process: ChildProcess | undefined;
  #stopped = false;
  #lastId = 0;

  constructor(config: KerberosConfig) {
    this.#config = config;
  }

  /** The helper's answer; rejects when the helper dies over it, or does not answer within `timeout` ms. */
  async ask(question: Question, timeout: number): Promise<HelperAnswer> {
    const child = await this.#start();
    const id = ++this.#lastId;
    return this.#answerTo(id, timeout, () => child.send({ ...question, id }));
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
      const answer = message as HelperAnswer; // comes from the helper alone
      this.#waiting.get(answer.id)?.(answer);
    });
    const ended = (why: string): void => {
      if (this.#process === child) this.#process = undefined;
      for (const settle of this.#waiting.values()) settle(new Error(why));
    };
    child.on("exit", () => ended("the Kerberos helper ended"));
    child.on("error", (error) => {
      // One that could not be started has no "exit"; after any other error it follows, or the wait for an answer ends.
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
      // Whatever it hangs on, the next question needs one that does not.
      this.#process?.kill("SIGKILL");
      reject(new Error(`no answer of the Kerberos helper within ${timeout} ms`));
    }, timeout);
    this.#waiting.set(id, (answer) => (answer instanceof Error ? reject(answer) : resolve(answer)));
    send();
    return promise.finally(() => {
      clearTimeout(timer);
      this.#waiting.delete(id);
    });
  }
}
