import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import type { KerberosConfig } from "../../config/kerberos.ts";
import { messageOf } from "../../errors.ts";
import { kerberosEnvironment, servicePrincipal } from "./environment.ts";

/** The result of kinit: a ticket for this service in the cache, or kinit's error message. */
export type KinitOutcome = { readonly ok: true } | { readonly ok: false; readonly text: string };

interface KinitOptions {
  readonly principal: string;
  /** The file for the ticket. */
  readonly cache: string;
  /** The user's password; undefined to use the keytab. */
  readonly password?: string;
  /** In milliseconds; kinit is killed after it. */
  readonly timeout: number;
  /** Kills kinit early. */
  readonly signal: AbortSignal;
}

/**
 * Gets a ticket for authmq's own service directly from the authentication server, with MIT's kinit. The library waits
 * up to 30 seconds for a server that hangs, and only a process can be killed earlier.
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
  child.on("error", () => undefined); // once(child, "close") below rejects with it
  try {
    child.stdin.on("error", () => undefined); // kinit may exit without reading
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
    const hint = "install the MIT Kerberos programs (Debian: krb5-user)";
    throw new Error(`kinit cannot be run: ${messageOf(error)}; ${hint}`, { cause: error });
  }
}

/** kinit reports an expired password on stdout, and its error only says that nobody answered the prompt. */
function expiry(stdout: string): string {
  return stdout.includes("Password expired") ? "Password expired. " : "";
}
