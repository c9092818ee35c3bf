import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { test } from "node:test";
import { promisify } from "node:util";
import { getTicket, missingForTickets, spnegoToken } from "../kerberos-ticket.ts";
import { missingForKdc, startKdc } from "./kdc.ts";
import { isRunning, startTime } from "./process-table.ts";
import { Scratch } from "./scratch.ts";

const run = promisify(execFile);

test("a KDC issues tickets for the right password until it is stopped", {
  skip: missingForKdc(),
}, async () => {
  await using scratch = new Scratch();
  const kdc = await startKdc(scratch);
  await kdc.addPrincipal("alice", "correct horse");
  await kdc.addPrincipal("bob", "correct horse", "-allow_tix");
  const cache = await getTicket(kdc, "alice", "correct horse");
  const { stdout } = await run("klist", ["-c", cache], { env: { KRB5_CONFIG: kdc.configFile, LC_ALL: "C" } });
  assert.match(stdout, /^Default principal: alice@EXAMPLE.ORG$/m);
  await assert.rejects(getTicket(kdc, "alice", "wrong horse"), /Password incorrect/);
  await assert.rejects(getTicket(kdc, "bob", "correct horse"), /revoked/);
  await assert.rejects(kdc.addPrincipal("alice", "again"), /already exists/);

  const elsewhere = { ...kdc, configFile: kdc.configFor(await scratch.freePort()) };
  await assert.rejects(getTicket(elsewhere, "alice", "correct horse"), /Cannot contact any KDC/);

  const pid = kdc.pid!;
  const start = startTime(pid);
  await kdc.stop();
  await kdc.stop();
  assert.equal(isRunning(pid, start), false);
  await assert.rejects(getTicket(kdc, "alice", "correct horse"), /Cannot contact any KDC/);
});

test("a ticket is accepted only by the service of its realm, which proves its identity", {
  skip: missingForKdc() ?? missingForTickets(),
}, async () => {
  await using scratch = new Scratch();
  const [real, spoofed] = await Promise.all([startKdc(scratch), startKdc(scratch)]);
  await Promise.all([real, spoofed].map((kdc) => kdc.addPrincipal("alice", "correct horse")));
  Object.assign(process.env, {
    KRB5_CONFIG: real.configFile,
    KRB5_KTNAME: real.keytab,
    KRB5RCACHENAME: "none:",
  });
  for (const mechanism of ["SPNEGO", "KRB5"] as const) {
    const options = { mechanism };
    await using ticket = await spnegoToken(real, "alice", "correct horse", real.service, options);
    const { username, response } = await accept(real.service, ticket.token);
    assert.equal(username, "alice@EXAMPLE.ORG");
    assert.equal(await ticket.verify(response), true);

    await using other = await spnegoToken(spoofed, "alice", "correct horse", spoofed.service, options);
    await assert.rejects(accept(real.service, other.token), /cannot decrypt ticket/);
    await assert.rejects(other.verify(response));
  }
});

async function accept(service: string, token: string): Promise<{ username: string; response: string }> {
  const kerberos = createRequire(import.meta.url)("kerberos") as {
    initializeServer(service: string): Promise<{ username: string; step(token: string): Promise<string> }>;
  };
  const server = await kerberos.initializeServer(service);
  const response = await server.step(token);
  return { username: server.username, response };
}
