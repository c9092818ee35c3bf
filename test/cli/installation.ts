import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { newFolder, runCli } from "../support/cli.ts";

interface Written {
  readonly jwt_creation: {
    readonly signmethod: string;
    readonly secret?: object;
    readonly fingerprint_key?: { readonly value: string };
    readonly keys: {
      readonly active: { readonly value: string; readonly signmethod?: string };
      readonly next?: { readonly value: string; readonly signmethod?: string };
      readonly retiring?: readonly { readonly value: string; readonly until: string }[];
    };
  };
  readonly jwt_validation?: readonly { readonly name: string }[];
}

/** A new installation, created by `init`. */
export async function install(): Promise<{ cwd: string; file: string }> {
  const cwd = newFolder();
  assert.equal((await runCli(["init"], { cwd })).code, 0);
  return { cwd, file: join(cwd, "config.json") };
}

/** Reads its configuration. */
export function read(file: string): Written {
  return JSON.parse(readFileSync(file, "utf8")) as Written;
}

/** Changes its configuration. */
export function edit(file: string, change: (config: Record<string, unknown>) => object): void {
  const config = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
  writeFileSync(file, JSON.stringify(change(config)));
}
