import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { getProgram } from "./servers/install.ts";
import type { Kdc } from "./servers/kdc.ts";

/** The child resolves the package kerberos from here, like the code under test. */
const ROOT = resolve(import.meta.dirname, "../..");

/** The client side of a handshake: a token for each message from the parent, which is the server's last token. */
const CLIENT = `
  import kerberos from "kerberos";
  const [service, mechanism] = process.argv.slice(1);
  const client = await kerberos.initializeClient(service, { mechOID: kerberos["GSS_MECH_OID_" + mechanism] });
  const step = async (input) => {
    try {
      const token = await client.step(input);
      process.send({ token, complete: client.contextComplete });
    } catch (error) {
      process.send({ error: error.message });
    }
  };
  process.on("message", step);
  await step("");
`;

type Message = { token: string | null; complete: boolean } | { error: string };

/** A token that a browser would send in `Authorization: Negotiate`. */
export interface SpnegoToken extends AsyncDisposable {
  /** Base64. */
  readonly token: string;
  /**
   * Processes the server's base64 token. Resolves with true if the server proved that it has the service's key, else
   * rejects. Call it once.
   */
  verify(serverToken: string): Promise<boolean>;
}

/** Why no token can be created on this machine, for a test's `skip`; undefined if it can. */
export function missingForTickets(): string | undefined {
  // Check for the file: a process that failed to load a package once fails again after its installation.
  return existsSync(join(ROOT, "node_modules/kerberos/build/Release/kerberos.node"))
    ? undefined
    : "the package kerberos is not installed: npm install --no-save --save-dev kerberos@7";
}

/** Creates a user's token for a service (HTTP@host): SPNEGO, or plain Kerberos if requested. */
export async function spnegoToken(
  kdc: Kdc,
  username: string,
  password: string,
  service = kdc.service,
  { mechanism = "SPNEGO" }: { mechanism?: "SPNEGO" | "KRB5" } = {},
): Promise<SpnegoToken> {
  const cache = await getTicket(kdc, username, password);
  // Each client is its own process, because an environment variable selects the ticket cache. It ends with its channel.
  const child = spawn(process.execPath, ["--input-type=module", "-e", CLIENT, service, mechanism], {
    cwd: ROOT,
    env: { KRB5_CONFIG: kdc.configFile, KRB5CCNAME: cache },
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const end = async (): Promise<void> => {
    if (child.connected) child.disconnect();
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  };
  try {
    const { token } = await receive(child);
    return {
      token: token ?? "",
      async verify(serverToken) {
        const received = receive(child);
        child.send(serverToken);
        return (await received).complete;
      },
      [Symbol.asyncDispose]: end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Logs a user in with kinit; returns the ticket cache for KRB5CCNAME. Throws the error of kinit. */
export async function getTicket(kdc: Kdc, username: string, password: string): Promise<string> {
  const cache = `FILE:${join(kdc.folder, `cache-${randomBytes(6).toString("hex")}`)}`;
  const child = spawn(getProgram("kinit"), ["-c", cache, "--", `${username}@${kdc.realm}`], {
    env: { KRB5_CONFIG: kdc.configFile, LC_ALL: "C" },
    stdio: ["pipe", "ignore", "pipe"],
  });
  child.stdin.on("error", () => undefined); // kinit may end before it reads
  child.stdin.end(`${password}\n`);
  const [problem] = await Promise.all([text(child.stderr), once(child, "exit")]);
  if (child.exitCode !== 0) throw new Error(problem.trim());
  return cache;
}

async function receive(child: ChildProcess): Promise<Exclude<Message, { error: string }>> {
  const ended = new AbortController();
  child.once("exit", () => ended.abort(new Error("the client has ended")));
  const [message] = (await once(child, "message", { signal: ended.signal })) as [Message];
  if ("error" in message) throw new Error(message.error);
  return message;
}
