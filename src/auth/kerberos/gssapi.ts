import { createRequire } from "node:module";

/** What this project uses of the optional package `kerberos`, which need not be there. */
export interface Gssapi {
  readonly GSS_MECH_OID_KRB5: number;
  initializeClient(service: string, options: { mechOID: number }): Promise<GssContext>;
  initializeServer(service: string): Promise<GssContext>;
}

/** One side of a handshake; each step may throw, and may call itself complete without a name. */
export interface GssContext {
  readonly username: string | null;
  readonly response: string | null;
  readonly contextComplete: boolean;
  step(token: string): Promise<string | null>;
}

/** Loads the package; throws when it is absent, was not built, or finds no Kerberos library. */
export function loadGssapi(): Gssapi {
  const module: unknown = createRequire(import.meta.url)("kerberos");
  return module as Gssapi; // its own types cannot be had where it is not installed
}
