/**
 * A job for cron or a systemd timer that logs in with a service account and prints one line:
 * npm install @authmq/client; node list-groups.ts
 *
 * Exit codes: 0: done. 1: refused, or a setting is wrong. 75 (EX_TEMPFAIL): authmq cannot be reached or is overloaded, try
 * again later. It never runs longer than the deadline.
 */
import { readFileSync } from "node:fs";
import { type AuthClient, AuthError, connect, createSession, NoReplyError } from "@authmq/client";

const { AMQP_URL = "amqp://guest:guest@127.0.0.1:5672/%2F", SERVICE_USER = "nightly" } = process.env;
const { PASSWORD_FILE = "password.txt", DEADLINE_SECONDS = "60" } = process.env;
const TRY_LATER = 75;

/** How the job logs in: as a service account, whose password is in a file that only the job can read. */
function credentials() {
  return { username: SERVICE_USER, password: readFileSync(PASSWORD_FILE, "utf8").trimEnd() };
}

/** The work: it may call further queues with the access token, or send it to other services. */
async function work(auth: AuthClient, access_token: string): Promise<string> {
  const { groups } = await auth.group.getAll({ access_token });
  return `${groups.length} groups: ${groups.join(", ")}`;
}

async function run(): Promise<void> {
  await using auth = await connect({ url: AMQP_URL, connectionName: "list-groups" });
  const session = createSession(auth, credentials());
  try {
    console.log(await work(auth, await session.accessToken()));
  } finally {
    await session.close().catch(() => undefined); // the work is done, and the session expires by itself
  }
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
