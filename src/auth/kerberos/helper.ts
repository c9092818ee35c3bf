/**
 * The process that runs the Kerberos library for a worker. The library is native code that parses untrusted input, is
 * configured by environment variables and may block a thread: a separate process protects the worker.
 */
import { readVariable, setVariable } from "../../config/process-environment.ts";
import { messageOf } from "../../errors.ts";
import { type Gssapi, type GssContext, loadGssapi } from "./gssapi.ts";
import type { HelperAnswer, HelperRequest } from "./helper-client.ts";

const [service = ""] = process.argv.slice(2);

// Ctrl-C in a terminal signals both processes; the worker still needs the helper and ends it itself.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
process.on("disconnect", () => process.exit(0));

try {
  serve(loadGssapi());
} catch (error) {
  answer({ id: 0, ok: false, stage: "load", fault: messageOf(error) });
}

function serve(gssapi: Gssapi): void {
  // One at a time, because a check changes the environment of the process.
  let turn = Promise.resolve();
  process.on("message", (message) => {
    const request = message as HelperRequest; // only the worker sends messages
    turn = turn.then(async () => answer(await handle(gssapi, request)));
  });
  answer({ id: 0, ok: true, username: "", response: null });
}

async function handle(gssapi: Gssapi, request: HelperRequest): Promise<HelperAnswer> {
  const { id } = request;
  let stage: "client" | "keytab" | "server" = "client";
  try {
    const token = request.kind === "ticket" ? request.ticket : await ticketFrom(gssapi, request.cache);
    stage = "keytab";
    // The context reads this variable when it is created. A ticket that was just issued here needs no replay cache.
    setVariable("KRB5RCACHENAME", request.kind === "ticket" ? replayCache : "none:");
    const context = await gssapi.initializeServer(service);
    stage = "server";
    await context.step(token);
    return { id, ok: true, username: nameIn(context), response: context.response };
  } catch (error) {
    return { id, ok: false, stage, fault: messageOf(error) };
  }
}

const replayCache = readVariable("KRB5RCACHENAME");

async function ticketFrom(gssapi: Gssapi, cache: string): Promise<string> {
  setVariable("KRB5CCNAME", `FILE:${cache}`);
  const client = await gssapi.initializeClient(service, { mechOID: gssapi.GSS_MECH_OID_KRB5 });
  const token = await client.step("");
  if (token === null) throw new Error("no ticket for the service");
  return token;
}

/** The library may report an incomplete context as complete: require a username. */
function nameIn({ contextComplete, username }: GssContext): string {
  if (!contextComplete || username === null || username === "") throw new Error("the ticket has no username");
  return username;
}

function answer(message: HelperAnswer): void {
  process.send?.(message);
}
