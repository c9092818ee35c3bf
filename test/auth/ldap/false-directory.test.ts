import assert from "node:assert/strict";
import { after, test } from "node:test";
import {
  bindResponse,
  type FalseAnswers,
  type SentEntry,
  startFalseDirectory,
} from "../../support/false-directory.ts";
import { lastLine } from "../../support/log-lines.ts";
import { assertRefused } from "../../support/replies.ts";
import { makeCertificates } from "../../support/servers/certificates.ts";
import { missingFor } from "../../support/servers/directories.ts";
import { Scratch, waitUntil } from "../../support/servers/scratch.ts";
import { DATABASES, type DatabaseKind, startWorker, type TestWorker } from "../../support/worker.ts";

const BASE = "ou=people,dc=x";
const REFUSED = "the directory refused a login";
const needsOpenssl = missingFor("openldap") ?? false;

const scratch = new Scratch();
after(() => scratch.close());

function entryOf(
  name: string,
  groups: readonly string[] = [],
  more: SentEntry["attributes"] = {},
): SentEntry {
  const memberOf = ["allowed_to_login", ...groups].map((group) => `cn=${group},ou=groups,dc=x`);
  return { dn: `uid=${name},${BASE}`, attributes: { uid: [name], memberOf, ...more } };
}

async function start(
  url: string,
  settings: object = {},
  database: DatabaseKind = "sqlite",
): Promise<TestWorker> {
  const bind = `uid={username},${BASE}`;
  const ldap = { address: url, base_dn: BASE, user_filter: "(uid={username})", bind, ...settings };
  return startWorker({ database, config: { ldap_settings: ldap, app_config: { bcrypt_cost: 4 } } });
}

const login = (worker: TestWorker, username = "alice") =>
  worker.call("login", { username, password: "correct horse" });

const agrees: FalseAnswers = { bind: () => ({ code: 0 }), search: () => [entryOf("alice")] };

test("plain text injected after the StartTLS response does not turn a refusal into a success", {
  skip: needsOpenssl,
}, async () => {
  const certificates = await makeCertificates(scratch, "injected", { hosts: ["127.0.0.1"] });
  // The start of a success message; its text has the length of the refusal that follows with TLS.
  const refusal = bindResponse(3, { code: 49 });
  const success = bindResponse(3, { code: 0, text: "x".repeat(refusal.length) });
  const inject = success.subarray(0, success.length - refusal.length);
  const answers = { bind: () => ({ code: 49 }), search: () => [entryOf("alice", ["API_PERMadmin"])] };
  for (const tls of [{ certificates }, { certificates, inject }]) {
    await using directory = await startFalseDirectory({ ...answers, tls });
    await using worker = await start(directory.url, { ca_file: certificates.caFile });
    const { resp_code } = await login(worker);
    assert.ok(resp_code === 401 || resp_code === 503, `${resp_code}`);
    assert.deepEqual(await worker.db.selectFrom("token").selectAll().execute(), []);
  }
});

test("no environment variable disables the verification of the certificate", {
  skip: needsOpenssl,
}, async () => {
  const [own, other] = await Promise.all([
    makeCertificates(scratch, "own", { hosts: ["other.example.org"] }),
    makeCertificates(scratch, "other", { hosts: ["127.0.0.1"] }),
  ]);
  await using directory = await startFalseDirectory({ ...agrees, tls: { certificates: own } });
  process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
  try {
    for (const ca_file of [own.caFile, other.caFile]) {
      await using worker = await start(directory.url, { ca_file });
      assertRefused(await login(worker), 503, "UNAVAILABLE");
    }
  } finally {
    delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
  }
});

test("a domain controller that cannot decide is 503, and not a wrong password", async () => {
  for (const data of ["51f", "6fb"]) {
    const text = `80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data ${data}, v3839`;
    await using directory = await startFalseDirectory({ ...agrees, bind: () => ({ code: 49, text }) });
    await using worker = await start(directory.url);
    assertRefused(await login(worker), 503, "UNAVAILABLE");
  }
});

test("a response with only some of the groups is 503, and not a refusal", async () => {
  const some = { memberOf: [], "memberOf;range=0-1499": ["cn=allowed_to_login,dc=x"] };
  await using directory = await startFalseDirectory({
    ...agrees,
    search: () => [entryOf("alice", [], some)],
  });
  await using worker = await start(directory.url);
  assertRefused(await login(worker), 503, "UNAVAILABLE");
  const { reason } = await lastLine(worker, "a request failed");
  assert.match(String(reason), /too many groups.*nested_groups/);
});

test("a password that must be changed first is refused, for each way that directories report it", async () => {
  const restricted = {
    code: 50,
    text: "Operations are restricted to bind/unbind/abandon/StartTLS/modify password",
  };
  const service = { bind: "search", bind_dn: "cn=service", bind_password: "x" };
  for (const settings of [{}, service]) {
    for (const way of ["attribute", "restriction"] as const) {
      let user = "";
      await using directory = await startFalseDirectory({
        bind: (name) => {
          user = name;
          return { code: 0 };
        },
        search: () => {
          if (way === "attribute") return [entryOf("alice", [], { pwdReset: ["TRUE"] })];
          return user === "cn=service" ? [entryOf("alice")] : restricted;
        },
      });
      await using worker = await start(directory.url, settings);
      assertRefused(await login(worker), 401, "INVALID_CREDENTIALS");
      assert.equal((await lastLine(worker, REFUSED))["reason"], "must-change");
    }
  }
});

test("a slow request about one user does not disable the directory for others", async () => {
  let slow = false;
  const never = new Promise(() => undefined);
  await using directory = await startFalseDirectory({
    bind: (name) => {
      slow = name.includes("slow");
      return { code: 0 };
    },
    search: async () => {
      if (slow) await never;
      return [entryOf(slow ? "slow" : "alice")];
    },
  });
  await using worker = await start(directory.url, { timeout_ms: 500 });
  for (let round = 0; round < 2; round++) {
    assertRefused(await login(worker, "slow"), 503, "UNAVAILABLE");
    assert.equal((await login(worker)).resp_code, 200);
  }
});

for (const database of DATABASES) {
  for (const authType of ["LOCAL", "KERBEROS"] as const) {
    test(`a directory login fails if a ${authType} account takes its name meanwhile, on ${database}`, async () => {
      const held = Promise.withResolvers<undefined>();
      const asked = Promise.withResolvers<undefined>();
      await using directory = await startFalseDirectory({
        bind: () => ({ code: 0 }),
        search: async () => {
          asked.resolve(undefined);
          await held.promise;
          return [entryOf("alice", ["API_PERMadmin"], { mail: ["from-there@example.com"] })];
        },
      });
      await using worker = await start(directory.url, {}, database);
      await worker.addUser("alice", "", { authType: "LDAP", email: "old@example.com" });
      const reply = login(worker);
      await asked.promise;
      await worker.db.deleteFrom("user").where("username", "=", "alice").execute();
      await worker.addUser("alice", "a local password", { authType, email: "new@example.com" });
      held.resolve(undefined);
      assertRefused(await reply, 401, "INVALID_CREDENTIALS");
      const user = await worker.db.selectFrom("user").select(["auth_type", "email"]).executeTakeFirst();
      assert.deepEqual({ ...user }, { auth_type: authType, email: "new@example.com" });
      for (const table of ["usergroup", "token"] as const)
        assert.deepEqual(await worker.db.selectFrom(table).selectAll().execute(), []);
    });
  }
}

test("stop closes a connection to a directory that hangs", async () => {
  await using directory = await startFalseDirectory({ ...agrees, bind: () => new Promise(() => undefined) });
  await using worker = await start(directory.url, { timeout_ms: 60_000 });
  login(worker).catch(() => undefined);
  await waitUntil("the connection", () => directory.connections === 1 || undefined);
  await worker.worker.stop();
  await waitUntil("its end", () => directory.connections === 0 || undefined, { seconds: 5 });
});
