import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Ended, runCli, startCli } from "../../support/cli.ts";
import { waitUntil } from "../../support/servers/scratch.ts";

/** The commands and statements of docs/moving.md, for one installation. */
export interface MovingPage {
  /** Runs the next command of the page, which must begin like this, and returns its result. */
  run(start: string, stdin?: string): Promise<Ended>;
  /** Starts the next command of the page, which must be `authmq serve`, and waits until it is ready. */
  serve(): Promise<AsyncDisposable>;
  /** The statements that create the database. */
  readonly statements: readonly string[];
  /** The commands that were not run yet. */
  readonly left: string[];
}

/** Reads the page; names of databases, users and folders are those of the test. */
export function readMovingPage(cwd: string, names: { database: string; user: string }): MovingPage {
  const page = readFileSync(resolve(import.meta.dirname, "../../../docs/moving.md"), "utf8");
  const blocks = (language: string): string[] =>
    Array.from(
      page.matchAll(new RegExp(`^ *\`\`\`${language}\\n([^]*?)^ *\`\`\``, "gm")),
      ([, text = ""]) => text,
    );
  const left = blocks("sh")
    .flatMap((text) => text.split("\n"))
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .map((line) =>
      line.replaceAll("/etc/authmq", "new").replace("--database authmq", `--database ${names.database}`),
    );
  const next = (start: string): string[] => {
    const command = left.shift() ?? "";
    assert.ok(command.startsWith(start), `the page says: ${command}`);
    // stdin is given by the test
    return (command.split(" < ")[0] ?? "").split(" ").slice(1);
  };
  return {
    left,
    statements: blocks("sql").flatMap((text) =>
      text
        .split(";")
        .map((one) => one.trim().replaceAll("authmq", names.database).replace("USER", names.user))
        .filter((one) => one !== ""),
    ),
    run: (start, stdin = "") => runCli(next(start), { cwd, stdin }),
    async serve() {
      const child = startCli(next("authmq serve"), { cwd });
      let log = "";
      child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
      const ended = once(child, "exit");
      await waitUntil("ready", () => (/"msg":"ready"/.test(log) ? true : undefined), {
        seconds: 40,
        died: () => (child.exitCode === null ? undefined : log),
      });
      return {
        async [Symbol.asyncDispose]() {
          child.kill("SIGTERM"); // no effect if it has ended
          await ended;
        },
      };
    },
  };
}
