import type { RpcReply } from "../client/reply.ts";
import { errorOf } from "../client/reply.ts";
import { askSecret } from "./password-prompt.ts";

/** A request to `login_continue`. */
type Answer = { readonly challenge: string } & (
  | { readonly totp: string }
  | { readonly recovery_code: string }
);

const LABELS = {
  both: "Code of the authenticator app, or recovery code: ",
  totp: "Code of the authenticator app: ",
  recovery_code: "Recovery code: ",
} as const;

/**
 * Asks on the terminal for the second factor that the reply of a login demands. Returns undefined if it demands none that
 * can be typed, without a terminal, and for an empty line.
 */
export async function askForFactor(reply: RpcReply): Promise<Answer | undefined> {
  const { challenge, methods = [] } = errorOf(reply);
  const hasTotp = methods.includes("totp");
  const hasCodes = methods.includes("recovery_code");
  if (challenge === undefined || !(hasTotp || hasCodes)) return undefined;
  if (!process.stdin.isTTY || !process.stderr.isTTY) return undefined;
  const label = LABELS[hasTotp && hasCodes ? "both" : hasTotp ? "totp" : "recovery_code"];
  const typed = (await askSecret(label)).replaceAll(/\s/g, "");
  if (typed === "") return undefined;
  return /^\d{6}$/.test(typed) ? { challenge, totp: typed } : { challenge, recovery_code: typed };
}
