/**
 * The process that runs the Kerberos library for a worker. The library is native code that reads what strangers send,
 * is told its files by environment variables, and may block a thread: here it can do no harm to the worker's own.
 */
import { readVariable, setVariable } from "../../config/process-environment.ts";
import { messageOf } from "../../errors.ts";
import { type Gssapi, type GssContext, loadGssapi } from "./gssapi.ts";
import type { HelperAnswer, HelperRequest } from "./helper-client.ts";

const [service = ""] = process.argv.slice(2);

// A Ctrl-C in a terminal goes to both processes; the worker still needs its answers, and ends this one by itself.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
process.on("disconnect", () => process.exit(0));

try {
  serve(loadGssapi());
} catch (error) {
  answer({ id: 0, ok: false, stage: "load", fault: messageOf(error) });
}

function serve(gssapi: Gssapi): void {
  // One at a time: the environment of one check must not become another one's.
  let turn = Promise.resolve();
  process.on("message", (message) => {
    const request = message as HelperRequest; // comes from the worker alone
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
    // The context takes its replay cache when it is made. A ticket that was got here a moment ago needs none.
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

/** The library calls a context complete that is not; only one that knows its client is. */
function nameIn({ contextComplete, username }: GssContext): string {
  if (!contextComplete || username === null || username === "") throw new Error("the ticket names nobody");
  return username;
}

function answer(message: HelperAnswer): void {
  process.send?.(message);
}
