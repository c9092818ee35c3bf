import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import type { KerberosConfig } from "../../config/kerberos.ts";
import { messageOf } from "../../errors.ts";
import { kerberosEnvironment, servicePrincipal } from "./environment.ts";

/** How kinit ended: with a ticket for this service in the cache, or with its words. */
export type KinitOutcome = { readonly ok: true } | { readonly ok: false; readonly text: string };

interface KinitOptions {
  readonly principal: string;
  /** The file that the ticket goes to. */
  readonly cache: string;
  /** The user's password; without it the keys of the keytab are used. */
  readonly password?: string;
  /** In milliseconds; then kinit is ended. */
  readonly timeout: number;
  /** Ends kinit before its time. */
  readonly signal: AbortSignal;
}

/**
 * Gets a ticket for this installation's own service straight from the authentication server, by MIT's kinit. A process,
 * because the library waits up to half a minute for a server that hangs, and only a process can be ended before.
 */
export async function kinit(config: KerberosConfig, options: KinitOptions): Promise<KinitOutcome> {
  const { principal, cache, password, timeout, signal: end } = options;
  const keys = password === undefined ? ["-k", "-t", config.keytab] : [];
  const args = ["-c", `FILE:${cache}`, "-l", "5m", "-S", servicePrincipal(config), ...keys, "--", principal];
  const child = spawn("kinit", args, {
    env: kerberosEnvironment(config),
    timeout,
    signal: end,
    killSignal: "SIGKILL",
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.on("error", () => undefined); // told by the wait for its end, below, unless it was never begun
  try {
    child.stdin.on("error", () => undefined); // it may have ended without reading
    child.stdin.end(password === undefined ? "" : `${password}\n`);
    const [stdout, stderr] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "close"),
    ]);
    if (child.exitCode === 0) return { ok: true };
    if (child.signalCode === "SIGKILL")
      return { ok: false, text: `no answer of the KDC within ${timeout} ms` };
    return { ok: false, text: `${expiry(stdout)}${stderr.trim()}` };
  } catch (error) {
    const hint = "install MIT Kerberos' programs (Debian: krb5-user)";
    throw new Error(`kinit cannot be run: ${messageOf(error)}; ${hint}`, { cause: error });
  }
}

/** That a password must be changed stands among the questions, and the error is only that nobody answered them. */
function expiry(stdout: string): string {
  return stdout.includes("Password expired") ? "Password expired. " : "";
}
