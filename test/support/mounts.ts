import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PYTHON } from "./python.ts";
import { scratchFolder } from "./scratch-folder.ts";

const SERVER = fileURLToPath(new URL("./hanging-mount.py", import.meta.url));

/** Mounts a disk of 64 KiB; undefined without the permission to mount. */
export function mountSmall(): ({ readonly folder: string; enlarge(): void } & Disposable) | undefined {
  const folder = mkdtempSync(join(scratchFolder, "disk-"));
  const mount = (options: string) => spawnSync("mount", ["-t", "tmpfs", "-o", options, "none", folder]);
  if (mount("size=64k").status !== 0) return undefined;
  return {
    folder,
    enlarge: () => void mount("remount,size=1m"),
    [Symbol.dispose]: () => void spawnSync("umount", ["--lazy", folder]),
  };
}

/** Mounts a network file system whose server is down: every access hangs. */
export async function mountHanging(): Promise<({ readonly folder: string } & AsyncDisposable) | undefined> {
  const folder = mkdtempSync(join(scratchFolder, "mount-"));
  const server = spawn(PYTHON, [SERVER, folder], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  const [chunk] = (await Promise.race([once(server.stdout, "data"), once(server, "exit")])) as [unknown];
  if (!(chunk instanceof Buffer) || !chunk.toString().startsWith("mounted")) return undefined;
  return {
    folder,
    async [Symbol.asyncDispose]() {
      const ended = once(server, "exit");
      server.stdin.end(); // the kernel then fails hanging calls
      await ended;
      spawnSync("umount", ["--lazy", folder]);
    },
  };
}
