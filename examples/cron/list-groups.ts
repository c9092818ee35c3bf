/**
 * A job for cron or a systemd timer that uses an API key and prints one line:
 * npm install ./authmq-client-*.tgz; node list-groups.ts
 *
 * Exit codes: 0: done. 1: refused, or a setting is wrong. 75 (EX_TEMPFAIL): authmq cannot be reached or is overloaded, try
 * again later. It never runs longer than the deadline.
 */
import { readFileSync } from "node:fs";
import { type AuthClient, AuthError, connect, createSession, NoReplyError } from "@authmq/client";

const { AMQP_URL = "amqp://guest:guest@127.0.0.1:5672/%2F" } = process.env;
const { API_KEY_FILE = "nightly.key", DEADLINE_SECONDS = "60" } = process.env;
const TRY_LATER = 75;

/** The work: it may call further queues with the access token, or send it to other services. */
async function work(auth: AuthClient, access_token: string): Promise<string> {
  const { groups } = await auth.group.getAll({ access_token });
  return `${groups.length} groups: ${groups.join(", ")}`;
}

async function run(): Promise<void> {
  await using auth = await connect({ url: AMQP_URL, connectionName: "list-groups" });
  await using session = createSession(auth, { apiKey: readFileSync(API_KEY_FILE, "utf8").trimEnd() });
  console.log(await work(auth, await session.accessToken()));
}

/** Prints one line: cron emails it. */
function fail(code: number, reason: string): void {
  console.error(`list-groups: ${reason}`);
  process.exitCode = code;
}

function report(error: unknown): void {
  if (error instanceof NoReplyError) fail(TRY_LATER, error.message);
  else if (error instanceof AuthError)
    fail([429, 503].includes(error.respCode) ? TRY_LATER : 1, `${error.code}: ${error.message}`);
  else fail(1, error instanceof Error ? error.message : String(error));
}

setTimeout(() => {
  fail(TRY_LATER, `not finished after ${DEADLINE_SECONDS} s`);
  process.exit();
}, 1000 * Number(DEADLINE_SECONDS)).unref();

await run().catch(report);
