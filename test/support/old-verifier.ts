import { spawn } from "node:child_process";
import { once } from "node:events";
import type { KeyObject } from "node:crypto";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** The key of an issuer, as a service of py_auth_micro knows it. */
export type OldIssuer = { readonly methods: readonly string[] } & (
  | { readonly secret: string }
  | { readonly n: string; readonly e: string }
);

/** What a service of py_auth_micro reads from a token, or why it rejects it. */
export type OldVerdict =
  | { readonly user: string; readonly groups: string[]; readonly vhost: string }
  | { readonly error: string };

/** A service that verifies by the rules of py_auth_micro, in Python. */
export interface OldVerifier extends AsyncDisposable {
  verify(token: string): Promise<OldVerdict>;
}

/** The RSA key of an issuer for the verifier. */
export function rsaIssuer(methods: readonly string[], key: KeyObject): OldIssuer {
  const { n = "", e = "" } = key.export({ format: "jwk" });
  return { methods, n, e };
}

/** Starts a verifier that trusts these issuers. It needs Python 3 without packages. */
export function startOldVerifier(issuers: Readonly<Record<string, OldIssuer>>): OldVerifier {
  const child = spawn("python3", [join(import.meta.dirname, "old_verifier.py")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    async verify(token) {
      child.stdin.write(`${JSON.stringify({ token, issuers })}\n`);
      const { value } = await lines.next();
      return JSON.parse(String(value)) as OldVerdict;
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await once(child, "exit");
    },
  };
}
