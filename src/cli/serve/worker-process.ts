import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Answers, Asked, Told } from "./messages.ts";

/** How a process ended; `error` where it could not even be started. */
export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly error?: unknown;
}

/** The command line's own ending: .ts in a checkout, .js in the package. */
const ENTRY = fileURLToPath(
  new URL(import.meta.url.replace(/cli\/serve\/worker-process(\.[jt]s)$/, "cli$1")),
);

/** One process with a worker in it, as its supervisor sees it. */
export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: unknown) => void>();
  #lastId = 0;
  #isReady = false;
  #hasEnded = false;
  /** Resolves when it is gone; never rejects. */
  readonly ended: Promise<End>;

  constructor(args: readonly string[], env: NodeJS.ProcessEnv, onReady: () => void) {
    this.#child = fork(ENTRY, args, {
      env,
      // A Ctrl-C in a terminal is for the supervisor, which passes it on.
      detached: true,
      // JSON has no NaN, which a gauge without a value is.
      serialization: "advanced",
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.ended = this.#end();
    this.#child.on("message", (message) => {
      const told = message as Told; // comes from a process of this program alone
      if (told.kind === "answer") return this.#waiting.get(told.id)?.(told.answer);
      this.#isReady = true;
      return onReady();
    });
  }

  /** Undefined where it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Whether it has said that it takes requests, and is not gone. */
  get isReady(): boolean {
    return this.#isReady && !this.#hasEnded;
  }

  /** Its answer; undefined when none comes within so many milliseconds. */
  async ask<Q extends keyof Answers>(question: Q, limit: number): Promise<Answers[Q] | undefined> {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const id = ++this.#lastId;
    const timer = setTimeout(resolve, limit);
    this.#waiting.set(id, resolve);
    const asked: Asked = { id, question };
    this.#child.send(asked, (error) => {
      if (error !== null) resolve(undefined);
    });
    try {
      return (await promise) as Answers[Q] | undefined; // comes from a process of this program alone
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  /** Harmless where it has ended. */
  kill(signal: "SIGTERM" | "SIGKILL" | "SIGHUP"): void {
    this.#child.kill(signal);
  }

  #end(): Promise<End> {
    const { promise, resolve } = Promise.withResolvers<End>();
    const end = (how: End): void => {
      this.#hasEnded = true;
      for (const answer of this.#waiting.values()) answer(undefined);
      resolve(how);
    };
    this.#child.once("exit", (code, signal) => end({ code, signal }));
    this.#child.on("error", (error) => {
      // One that could not be started has no "exit"; after any other error it follows.
      if (this.#child.pid === undefined) end({ code: null, signal: null, error });
    });
    return promise;
  }
}
