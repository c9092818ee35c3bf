import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Scratch, Server } from "./scratch.ts";

const run = promisify(execFile);

export interface Container {
  name: string;
  image: string;
  env: Record<string, string>;
  /** Port of 127.0.0.1 -> port in the container. */
  ports: ReadonlyMap<number, number>;
  args?: readonly string[];
}

/** True when a Docker engine answers within three seconds. */
export async function dockerAnswers(): Promise<boolean> {
  try {
    // The format makes it fail on a client without an engine in old versions too: they exit with 0 otherwise.
    await run("docker", ["info", "--format", "{{.ServerVersion}}"], { timeout: 3_000 });
    return true;
  } catch {
    return false;
  }
}

/** A server that runs as a container. It keeps its data over `kill()` and `start()`, and is removed with the scratch. */
export function containerServer(scratch: Scratch, { name, image, env, ports, args = [] }: Container): Server {
  const container = `${name}-${crypto.randomUUID()}`;
  const options = [
    ...Object.entries(env).flatMap(([key, value]) => ["--env", `${key}=${value}`]),
    ...Array.from(ports, ([outside, inside]) => ["--publish", `127.0.0.1:${outside}:${inside}`]).flat(),
  ];
  const docker = (...words: readonly string[]): Promise<void> =>
    scratch.run("docker", words, { name: container, env: process.env });
  let created = false;
  scratch.adoptContainer(container, async () => {
    await run("docker", ["rm", "--force", "--volumes", container]);
  });
  return {
    pid: undefined,
    async start() {
      if (created) await docker("start", container);
      else await docker("run", "--detach", "--name", container, ...options, image, ...args);
      created = true;
    },
    async kill() {
      if (created) await docker("kill", container).catch(() => undefined); // it fails on one that does not run
    },
    died: () => undefined,
  };
}
