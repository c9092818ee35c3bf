import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { createPublicKey } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { newFolder } from "./cli.ts";
import { waitUntil } from "./servers/scratch.ts";
import type { TestWorker } from "./worker.ts";

const EXAMPLES = resolve(import.meta.dirname, "../../examples");

/** An example that runs as its own process, as a reader would start it. */
export interface Example extends AsyncDisposable {
  /** Everything that it has printed. */
  readonly output: string;
  /** Its exit code; null while it runs. */
  readonly exitCode: number | null;
}

/** Starts an example with the public key of a worker, and waits until it has printed something. */
export async function startExample(
  worker: TestWorker,
  file: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Example> {
  const key = join(newFolder(), "signing-key.pub.pem");
  const publicKey = createPublicKey(worker.config.signing!.key);
  writeFileSync(key, publicKey.export({ type: "spki", format: "pem" }));
  // In a checkout, this condition resolves @authmq/client to its source.
  const child = spawn(process.execPath, ["--conditions=authmq-source", resolve(EXAMPLES, file)], {
    env: { ...process.env, PUBLIC_KEY: key, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (output += String(chunk)));
  await waitUntil(file, () => output !== "" || hasEnded(child) || undefined, { seconds: 30 });
  if (hasEnded(child)) throw new Error(`${file} has ended: ${output}`);
  return {
    get output() {
      return output;
    },
    get exitCode() {
      return child.exitCode;
    },
    async [Symbol.asyncDispose]() {
      if (hasEnded(child)) return;
      child.kill();
      await once(child, "exit");
    },
  };
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}
