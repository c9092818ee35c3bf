import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { getProgram } from "./servers/install.ts";
import type { Kdc } from "./servers/kdc.ts";

/** From here the child finds the package, as the code under test does. */
const ROOT = resolve(import.meta.dirname, "../..");

/** The client's side of one handshake: a token for each message from the parent, which is the server's last answer. */
const CLIENT = `
  import kerberos from "kerberos";
  const [service, mechanism] = process.argv.slice(1);
  const client = await kerberos.initializeClient(service, { mechOID: kerberos["GSS_MECH_OID_" + mechanism] });
  const step = async (answer) => {
    try {
      const token = await client.step(answer);
      process.send({ token, complete: client.contextComplete });
    } catch (error) {
      process.send({ error: error.message });
    }
  };
  process.on("message", step);
  await step("");
`;

type Message = { token: string | null; complete: boolean } | { error: string };

/** What a browser would send in `Authorization: Negotiate`, and what it does with the answer. */
export interface SpnegoToken extends AsyncDisposable {
  /** In base64. */
  readonly token: string;
  /**
   * Takes the server's token, in base64; true when the server has proved that it holds the key of the service, an error
   * when it has not. To be called once.
   */
  verify(answer: string): Promise<boolean>;
}

/** Why no token can be made here, for a test's `skip`; undefined when it can. */
export function missingForTickets(): string | undefined {
  // Looked for as a file: a process that has once failed to load a package fails again after its installation.
  return existsSync(join(ROOT, "node_modules/kerberos/build/Release/kerberos.node"))
    ? undefined
    : "the package kerberos is not installed: npm install --no-save --save-dev kerberos@7";
}

/** Makes a user's token for a service (HTTP@host), bare Kerberos instead of SPNEGO where that is asked for. */
export async function spnegoToken(
  kdc: Kdc,
  username: string,
  password: string,
  service = kdc.service,
  { mechanism = "SPNEGO" }: { mechanism?: "SPNEGO" | "KRB5" } = {},
): Promise<SpnegoToken> {
  const cache = await getTicket(kdc, username, password);
  // The environment names the cache, and it is the whole process's: each client is one. It ends with its channel.
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
      async verify(answer) {
        const received = receive(child);
        child.send(answer);
        return (await received).complete;
      },
      [Symbol.asyncDispose]: end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Logs a user in as a person does, with kinit; gives the ticket cache for KRB5CCNAME. Throws what kinit says. */
export async function getTicket(kdc: Kdc, username: string, password: string): Promise<string> {
  const cache = `FILE:${join(kdc.folder, `cache-${randomBytes(6).toString("hex")}`)}`;
  const child = spawn(getProgram("kinit"), ["-c", cache, "--", `${username}@${kdc.realm}`], {
    env: { KRB5_CONFIG: kdc.configFile, LC_ALL: "C" },
    stdio: ["pipe", "ignore", "pipe"],
  });
  child.stdin.on("error", () => undefined); // kinit may have its answer before it reads
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
