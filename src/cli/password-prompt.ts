import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { ExitError } from "./exit.ts";

/** Reads a new password: on a terminal twice without echo, otherwise the first line of stdin. */
export async function readPassword(): Promise<string> {
  if (!process.stdin.isTTY) {
    const line = (await text(process.stdin)).split(/\r?\n/, 1)[0] ?? "";
    if (line === "")
      throw new ExitError(2, "no password on stdin: pipe it in, or run this command in a terminal");
    return line;
  }
  const password = await ask("Password: ");
  if (password !== (await ask("Repeat password: "))) throw new ExitError(1, "the passwords differ");
  return password;
}

async function ask(label: string): Promise<string> {
  process.stderr.write(label);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const prompt = createInterface({ input: process.stdin, output: silent, terminal: true });
  // While readline reads the terminal, Ctrl-C is a key press and no signal.
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
