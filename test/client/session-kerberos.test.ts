import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeJwt } from "jose";
import { connect, createSession } from "../../src/client/index.ts";
import { missingForTickets, spnegoToken } from "../support/kerberos-ticket.ts";
import { missingForKdc, startKdc } from "../support/servers/kdc.ts";
import { Scratch, waitUntil } from "../support/servers/scratch.ts";
import { startWorker } from "../support/worker.ts";

const skip = missingForKdc() ?? missingForTickets() ?? false;

test("a session logs in with a new Kerberos ticket after it was revoked", { skip }, async () => {
  const scratch = new Scratch();
  // By default all programs of this machine share one replay cache.
  process.env["KRB5RCACHEDIR"] = scratch.subfolder("replays");
  const kdc = await startKdc(scratch);
  try {
    const { realm, service, keytab, configFile: config_file } = kdc;
    await kdc.addPrincipal("alice", "correct horse");
    await using worker = await startWorker({
      config: {
        kerberos_settings: { realm, service, keytab, config_file },
        app_config: { access_token_valid_time: 1 / 60 },
      },
    });
    await worker.addUser("alice", "", { authType: "KERBEROS" });
    const auth = await connect({ url: worker.url });
    const tickets: string[] = [];
    const session = createSession(auth, {
      async kerberosTicket() {
        await using ticket = await spnegoToken(kdc, "alice", "correct horse");
        tickets.push(ticket.token);
        return ticket.token;
      },
    });
    const first = await session.accessToken();
    assert.equal(decodeJwt(first).sub, "alice");
    const access_token = await worker.accessToken("root", ["admin"]);
    await auth.session.revoke({ username: "alice", access_token });
    const second = await waitUntil("another token", async () => {
      const token = await session.accessToken();
      return token === first ? undefined : token;
    });
    assert.equal(decodeJwt(second).sub, "alice");
    assert.equal(new Set(tickets).size, 2);
    await session.close();
    await auth.close();
  } finally {
    await scratch.close();
  }
});
