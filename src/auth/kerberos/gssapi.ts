import { createRequire } from "node:module";

/** The used part of the optional package `kerberos`. */
export interface Gssapi {
  readonly GSS_MECH_OID_KRB5: number;
  initializeClient(service: string, options: { mechOID: number }): Promise<GssContext>;
  initializeServer(service: string): Promise<GssContext>;
}

/** One side of a handshake; each step may throw, and may be complete although it has no username. */
export interface GssContext {
  readonly username: string | null;
  readonly response: string | null;
  readonly contextComplete: boolean;
  step(token: string): Promise<string | null>;
}

/** Loads the package; throws if it is not installed, not built, or finds no Kerberos library. */
export function loadGssapi(): Gssapi {
  const module: unknown = createRequire(import.meta.url)("kerberos");
  return module as Gssapi; // the package's types are missing where it is not installed
}
