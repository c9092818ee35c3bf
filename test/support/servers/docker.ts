import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Scratch, Server } from "./scratch.ts";

const run = promisify(execFile);

export interface Container {
  name: string;
  image: string;
  env: Record<string, string>;
  /** Port on 127.0.0.1 -> port in the container. */
  ports: ReadonlyMap<number, number>;
  args?: readonly string[];
}

/** Whether a Docker engine responds within three seconds. */
export async function dockerAnswers(): Promise<boolean> {
  try {
    // With --format, old clients fail without an engine too; otherwise they exit with 0.
    await run("docker", ["info", "--format", "{{.ServerVersion}}"], { timeout: 3_000 });
    return true;
  } catch {
    return false;
  }
}

/** A server in a container. It keeps its data over `kill()` and `start()`, and is removed with the scratch folder. */
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
      if (created) await docker("kill", container).catch(() => undefined); // it fails if the container does not run
    },
    died: () => undefined,
  };
}
