import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { ExitError } from "./exit.ts";

/** A new password: asked for twice without echo on a terminal, else the first line of stdin. */
export async function readPassword(): Promise<string> {
  if (!process.stdin.isTTY) {
    const line = (await text(process.stdin)).split(/\r?\n/, 1)[0] ?? "";
    if (line === "") throw new ExitError(2, "no password on stdin: pipe it in, or run this on a terminal");
    return line;
  }
  const password = await ask("Password: ");
  if (password !== (await ask("Again: "))) throw new ExitError(1, "the passwords differ");
  return password;
}

async function ask(question: string): Promise<string> {
  process.stderr.write(question);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const prompt = createInterface({ input: process.stdin, output: silent, terminal: true });
  // Ctrl-C reaches readline as a key press while it reads the terminal.
  const interrupted = new Promise<never>((_resolve, reject) => {
    prompt.once("SIGINT", () => reject(new ExitError(130, "interrupted")));
  });
  try {
    return await Promise.race([prompt.question(""), interrupted]);
  } finally {
    prompt.close();
    process.stderr.write("\n");
  }
}
