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
  const password = await askSecret("Password: ");
  if (password !== (await askSecret("Repeat password: "))) throw new ExitError(1, "the passwords differ");
  return password;
}

/** Reads a line from the terminal without echo; the label goes to stderr. Throws ExitError for Ctrl-C and Ctrl-D. */
export async function askSecret(label: string): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const prompt = createInterface({ input: process.stdin, output: silent, terminal: true });
  // Not before: the terminal echoes what is typed until readline reads it.
  process.stderr.write(label);
  // While readline reads the terminal, Ctrl-C is a key press and no signal.
  const interrupted = new Promise<never>((_resolve, reject) => {
    prompt.once("SIGINT", () => reject(new ExitError(130, "interrupted")));
    prompt.once("close", () => reject(new ExitError(1, "the input ended")));
  });
  try {
    return await Promise.race([prompt.question(""), interrupted]);
  } finally {
    prompt.close();
    process.stderr.write("\n");
  }
}
