import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { DIRECTORY_PASSWORD, useDirectory } from "../../support/directory.ts";
import { lastLine, linesOf } from "../../support/log-lines.ts";
import { startProxy } from "../../support/proxy.ts";
import { assertRefused } from "../../support/replies.ts";
import { makeCertificates } from "../../support/servers/certificates.ts";
import { missingFor } from "../../support/servers/directories.ts";
import { startOpenLdap } from "../../support/servers/openldap.ts";
import { Scratch, waitUntil } from "../../support/servers/scratch.ts";
import type { TestWorker } from "../../support/worker.ts";

const skip = missingFor("openldap") ?? false;

/** A port without a listener. */
const NOWHERE = "ldap://127.0.0.1:1";

const login = (worker: TestWorker, username = "alice", password = DIRECTORY_PASSWORD) =>
  worker.call("login", { username, password });

/** The logged reason of a 503. */
async function faultOf(worker: TestWorker): Promise<string> {
  const { reason, level } = await lastLine(worker, "a request failed");
  assert.equal(level, 50);
  return String(reason);
}

describe("a directory that is unavailable", { skip }, () => {
  const directory = useDirectory();
  const { start } = directory;
  before(() => directory.add("alice", ["API_PERMdev"]));

  test("because nothing listens is 503 for right and wrong passwords and unknown names, and never 401", async () => {
    await using worker = await start({ address: NOWHERE });
    await worker.addUser("from-there", "", { authType: "LDAP" });
    for (const username of ["alice", "nobody-here", "from-there"]) {
      for (const password of [DIRECTORY_PASSWORD, "nope"]) {
        assertRefused(await login(worker, username, password), 503, "UNAVAILABLE");
      }
    }
    assert.match(await faultOf(worker), /ECONNREFUSED/);
    assert.equal(linesOf(worker, "the directory refused a login").length, 0);
    assert.equal((await worker.db.selectFrom("user").select("username").execute()).length, 1);
  });

  test("is logged at the first failure with its server, and again when it is back", async () => {
    await using proxy = await startProxy(directory.ldap.port);
    proxy.cut();
    await using worker = await start({ address: `ldap://127.0.0.1:${proxy.port}` });
    for (let round = 0; round < 3; round++) assertRefused(await login(worker), 503, "UNAVAILABLE");
    proxy.restore();
    await waitUntil("a login", async () => (await login(worker)).resp_code === 200 || undefined, {
      seconds: 15,
    });
    assert.equal(linesOf(worker, "cannot reach a directory server").length, 1);
    assert.equal(
      (await lastLine(worker, "the directory server answers again"))["server"],
      `ldap://127.0.0.1:${proxy.port}`,
    );
  });

  test("because it hangs is 503 after the timeout, and works again when it answers", async () => {
    await using proxy = await startProxy(directory.ldap.port);
    await using worker = await start({ address: `ldap://127.0.0.1:${proxy.port}`, timeout_ms: 300 });
    proxy.hang();
    assertRefused(await login(worker), 503, "UNAVAILABLE");
    assert.match(await faultOf(worker), /no answer within 300 ms/);
    assert.equal(proxy.connections, 0, "the connection is not left open");
    proxy.restore();
    await waitUntil("a login", async () => (await login(worker)).resp_code === 200 || undefined, {
      seconds: 15,
    });
  });

  test("because it hangs during a login is 503", async () => {
    for (const settings of [
      {},
      { ca_file: directory.ldap.caFile },
      { bind: "search", ...directory.service },
    ]) {
      await using proxy = await startProxy(directory.ldap.port);
      await using worker = await start({
        address: `ldap://127.0.0.1:${proxy.port}`,
        timeout_ms: 400,
        ...settings,
      });
      proxy.delay(150); // in each direction: the timeout ends after one answer
      assertRefused(await login(worker), 503, "UNAVAILABLE");
      assert.match(await faultOf(worker), /no answer within 400 ms/);
    }
  });

  test("because it is slow, but within the timeout, still logs users in", async () => {
    await using proxy = await startProxy(directory.ldap.port);
    await using worker = await start({ address: `ldap://127.0.0.1:${proxy.port}` });
    proxy.delay(100);
    assert.equal((await login(worker)).resp_code, 200);
  });

  test("because its connection breaks during a login is 503", async () => {
    await using proxy = await startProxy(directory.ldap.port);
    await using worker = await start({ address: `ldap://127.0.0.1:${proxy.port}` });
    proxy.delay(200);
    const reply = login(worker);
    await waitUntil("the connection", () => proxy.connections > 0 || undefined);
    proxy.cut();
    assertRefused(await reply, 503, "UNAVAILABLE");
  });

  test("because it refuses the service account is 503, and the log has advice", async () => {
    await using worker = await start({ bind: "search", ...directory.service, bind_password: "not it" });
    assertRefused(await login(worker), 503, "UNAVAILABLE");
    assert.match(await faultOf(worker), /service account is refused.*bind_dn and bind_password/);
  });

  test("because base_dn does not exist is 503, and the log has advice", async () => {
    await using worker = await start({ base_dn: "ou=Nowhere,dc=ad,dc=local" });
    assertRefused(await login(worker), 503, "UNAVAILABLE");
    assert.match(await faultOf(worker), /ou=Nowhere,dc=ad,dc=local failed.*base_dn/);
  });

  test("because it rejects the format of bind names is 503, and the log has advice", async () => {
    await using worker = await start({ bind: "{domain}\\{username}" });
    assertRefused(await login(worker), 503, "UNAVAILABLE");
    assert.match(await faultOf(worker), /ldap_settings\.bind/);
  });

  test("does not affect local logins and tokens while many logins wait for it", async () => {
    await using proxy = await startProxy(directory.ldap.port);
    await using worker = await start({ address: `ldap://127.0.0.1:${proxy.port}`, timeout_ms: 4000 });
    await worker.addUser("local-one", DIRECTORY_PASSWORD);
    const id_token = await worker.login("local-one", DIRECTORY_PASSWORD);
    proxy.hang();
    let answered = 0;
    const hanging = Array.from({ length: 40 }, () =>
      login(worker).then((reply) => {
        answered++;
        return reply;
      }),
    );
    await waitUntil("connections that hang", () => proxy.connections >= 8 || undefined);
    for (let round = 0; round < 5; round++) {
      assert.equal((await worker.call("token", { id_token })).resp_code, 200);
    }
    assert.equal((await login(worker, "local-one")).resp_code, 200);
    assert.ok(answered < hanging.length, "these were answered while others hang");
    assert.ok(proxy.connections <= 8, "no more connections than max_connections");
    for (const reply of await Promise.all(hanging)) assertRefused(reply, 503, "UNAVAILABLE");
  });
});

describe("several directory servers", { skip }, () => {
  const directory = useDirectory();
  const { start } = directory;
  before(() => directory.add("alice"));

  test("are used in order; the next one is used if one cannot be reached or hangs", async () => {
    await using proxy = await startProxy(directory.ldap.port);
    proxy.hang();
    const address = [NOWHERE, `ldap://127.0.0.1:${proxy.port}`, directory.ldap.url];
    await using worker = await start({ address, timeout_ms: 300 });
    assert.equal((await login(worker)).resp_code, 200);
    const dead = linesOf(worker, "cannot reach a directory server").map(({ server }) => server);
    assert.deepEqual(dead, address.slice(0, 2));
  });

  test("are not used for a while after a failure", async () => {
    await using proxy = await startProxy(directory.ldap.port);
    proxy.hang();
    await using worker = await start({
      address: [`ldap://127.0.0.1:${proxy.port}`, directory.ldap.url],
      timeout_ms: 1000,
    });
    await login(worker);
    const replies = await Promise.all(Array.from({ length: 20 }, () => login(worker)));
    assert.deepEqual(
      replies.map(({ resp_code }) => resp_code).filter((code) => code !== 200),
      [],
    );
    assert.equal(proxy.connections, 0);
    assert.equal(linesOf(worker, "cannot reach a directory server").length, 1);
  });

  test("are not all asked about a wrong password", async () => {
    await using worker = await start({ address: [directory.ldap.url, NOWHERE] });
    assertRefused(await login(worker, "alice", "nope"), 401, "INVALID_CREDENTIALS");
    assert.equal(linesOf(worker, "cannot reach a directory server").length, 0);
  });
});

describe("a directory over TLS", { skip }, () => {
  const directory = useDirectory();
  const { start } = directory;
  const scratch = new Scratch();
  before(() => directory.add("alice"));

  const addresses = () => [directory.ldap.tlsUrl, directory.ldap.url];

  test("works by ldaps and by StartTLS with the CA that signed its certificate", async () => {
    const { caFile: ca_file } = directory.ldap;
    for (const address of addresses()) {
      await using worker = await start({ address, ca_file });
      assert.equal((await login(worker)).resp_code, 200);
    }
  });

  test("is rejected with another CA or without one: 503, and the log has advice", async () => {
    const { caFile: other } = await makeCertificates(scratch, "other", { hosts: ["127.0.0.1"] });
    const [tls, plain] = addresses();
    for (const settings of [
      { address: tls, ca_file: other },
      { address: plain, ca_file: other },
      { address: tls },
      { address: plain, start_tls: true },
    ]) {
      await using worker = await start(settings);
      assertRefused(await login(worker), 503, "UNAVAILABLE");
      assert.match(await faultOf(worker), /certificate.*ldap_settings\.ca_file/);
    }
  });

  test("is rejected if its certificate is for another host: 503, and the log has advice", async () => {
    const elsewhere = await startOpenLdap(scratch, { hosts: ["localhost", "127.0.0.2"] });
    for (const address of [elsewhere.tlsUrl, elsewhere.url]) {
      await using worker = await start({ address, ca_file: elsewhere.caFile });
      assertRefused(await login(worker), 503, "UNAVAILABLE");
      assert.match(await faultOf(worker), /altnames.*ldap_settings\.address/);
    }
    await scratch.close();
  });

  test("that requires TLS refuses plain text: 503, and the log has advice", async () => {
    await using own = new Scratch();
    const strict = await startOpenLdap(own, { settings: ["security simple_bind=128"] });
    await strict.addUser("alice", DIRECTORY_PASSWORD, { groups: ["allowed_to_login"] });
    await using worker = await start({ address: strict.url });
    assertRefused(await login(worker), 503, "UNAVAILABLE");
    assert.match(await faultOf(worker), /demands TLS: use ldaps:\/\/ or start_tls/);
    await using secure = await start({ address: strict.url, ca_file: strict.caFile });
    assert.equal((await login(secure)).resp_code, 200);
  });
});
