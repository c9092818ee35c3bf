import assert from "node:assert/strict";
import { test } from "node:test";
import { readiness } from "../observability/endpoints.ts";
import { type Diagnosis, installForDoctor } from "../support/doctor.ts";
import { type Certificates, makeCertificates } from "../support/servers/certificates.ts";
import { missingFor } from "../support/servers/directories.ts";
import { isContainer, provideServers } from "../support/servers/sources.ts";
import { startDatabase } from "../support/servers/database.ts";
import { startOpenLdap } from "../support/servers/openldap.ts";
import { Scratch } from "../support/servers/scratch.ts";
import { lacksTlsBroker, startTlsBroker } from "../support/tls-broker.ts";
import { startWorker } from "../support/worker.ts";

/** The expiry of a certificate that was created just now for two days. */
const SOON = /expires on \d{4}-\d\d-\d\d, in 1 day\b/;

/** The warnings about certificates, each up to the name of the certificate. */
function warnings({ of }: Diagnosis): string[] {
  return of("certificates")
    .split("\n")
    .map((line) => {
      assert.match(line, SOON);
      return line.replace(/ expires on.*$/, "");
    });
}

test("broker certificates that expire soon are warnings of doctor, and `expiring` on /readyz", {
  skip: lacksTlsBroker,
}, async () => {
  await using broker = await startTlsBroker();
  const { host, port, username, password, certificates } = broker;
  const amqp_settings = { host, port, username, password, vhost: "/", ca_file: certificates.caFile };
  await using installed = await installForDoctor();
  const diagnosis = await installed.diagnose({ amqp_settings });
  assert.equal(diagnosis.code, 0, "a warning is no failure");
  assert.deepEqual(warnings(diagnosis), [
    "warn: amqp_settings.ca_file: the certificate CN=broker authority",
    `warn: the broker at localhost:${port} presents the certificate CN=broker server`,
    `warn: the broker at localhost:${port} presents the certificate CN=broker authority`,
  ]);

  const health = await broker.scratch.freePort();
  await using worker = await startWorker({ config: { amqp_settings, health_settings: { port: health } } });
  assert.ok(worker.worker, "the worker has not started");
  const { code, status, dependencies } = await readiness(health);
  assert.deepEqual([code, status], [200, "ready"]);
  const { detail, ...state } = dependencies["certificates"] ?? {};
  assert.deepEqual(state, { state: "expiring", required: false });
  assert.match(
    detail ?? "",
    /^amqp_settings\.ca_file: the certificate CN=broker authority expires on .*, in 1 day: add /,
  );
});

test("certificates that are valid for long are ok, whether ca_file or the system's CAs verify them", {
  skip: lacksTlsBroker,
}, async () => {
  await using broker = await startTlsBroker({ days: 400 });
  const { host, port, username, password, certificates } = broker;
  const address = { host, port, username, password, vhost: "/" };
  await using installed = await installForDoctor();
  const withFile = await installed.diagnose({ amqp_settings: { ...address, ca_file: certificates.caFile } });
  assert.equal(withFile.of("certificates"), "ok: none of 3 expires within 30 days");
  const withTls = await installed.diagnose({ amqp_settings: { ...address, tls: true } });
  assert.equal(withTls.of("certificates"), "ok: none of 2 expires within 30 days");
});

test("doctor checks the certificate of a database server", async (t) => {
  await provideServers(() => undefined, ["database"]);
  if (isContainer("database")) return t.skip("a container cannot be configured");
  const scratch = new Scratch();
  try {
    const certificates = await makeCertificates(scratch, "database", { hosts: ["127.0.0.1"] });
    const server = await startDatabase(scratch, { settings: tlsSettings(certificates) });
    const { host, port, user, password } = server;
    const db_settings = { dialect: "mysql", database: "mysql", file: undefined, host, port, user, password };
    await using installed = await installForDoctor();
    const diagnosis = await installed.diagnose({
      db_settings: { ...db_settings, ca_file: certificates.caFile },
    });
    // The certificate has the server's address, and no host name.
    assert.match(diagnosis.of("database"), /^ok: .*, TLS$/m);
    assert.deepEqual(warnings(diagnosis), [
      "warn: db_settings.ca_file: the certificate CN=database authority",
      `warn: the database at ${host}:${port} presents the certificate CN=database server`,
      `warn: the database at ${host}:${port} presents the certificate CN=database authority`,
    ]);
  } finally {
    await scratch.close();
  }
});

test("doctor checks the certificate of a directory over StartTLS", {
  skip: missingFor("openldap") ?? false,
}, async () => {
  const scratch = new Scratch();
  try {
    const openldap = await startOpenLdap(scratch);
    await using installed = await installForDoctor();
    const { url: address, baseDn: base_dn, serviceDn: bind_dn, caFile: ca_file } = openldap;
    const ldap_settings = { address, base_dn, bind_dn, bind_password: openldap.servicePassword, ca_file };
    const { host } = new URL(address);
    const [first, ...others] = warnings(await installed.diagnose({ ldap_settings }));
    assert.match(first ?? "", /^warn: ldap_settings\.ca_file: the certificate CN=\S+ authority$/);
    assert.match(
      others[0] ?? "",
      new RegExp(`^warn: the directory at ${host} presents the certificate CN=\\S+ server$`),
    );
  } finally {
    await scratch.close();
  }
});

function tlsSettings({ caFile, certificateFile, keyFile }: Certificates): string[] {
  return [`ssl-ca=${caFile}`, `ssl-cert=${certificateFile}`, `ssl-key=${keyFile}`];
}
