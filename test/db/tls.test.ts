import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { sql } from "kysely";
import { dataFolder } from "../support/data-folder.ts";
import { openDatabase } from "../../src/db/database.ts";
import { parse } from "../config/faults-of.ts";
import { type DoctorInstallation, installForDoctor } from "../support/doctor.ts";
import { makeCertificates } from "../support/servers/certificates.ts";
import { type DatabaseServer, startDatabase } from "../support/servers/database.ts";
import { Scratch } from "../support/servers/scratch.ts";
import { isContainer, provideServers } from "../support/servers/sources.ts";
import { parseSelection } from "../support/servers/selection.ts";

const IS_MYSQL = parseSelection().database.product === "MySQL";
const CERTIFICATE = IS_MYSQL ? "the certificate that MySQL generates" : "a certificate for another host";

describe(`TLS to a database server with ${CERTIFICATE}`, {
  skip: isContainer("database") && "a container cannot be configured",
}, () => {
  const scratch = new Scratch();
  let server: DatabaseServer;
  let installed: DoctorInstallation;
  let caFile: string;
  let otherCa: string;

  before(async () => {
    await provideServers(() => undefined, ["database"]);
    // The server listens on 127.0.0.1: "localhost" is another name.
    const made = await makeCertificates(scratch, "database", { hosts: ["localhost"] });
    ({ caFile: otherCa } = await makeCertificates(scratch, "other", { hosts: ["127.0.0.1"] }));
    const own = [`ssl-ca=${made.caFile}`, `ssl-cert=${made.certificateFile}`, `ssl-key=${made.keyFile}`];
    server = await startDatabase(scratch, { settings: IS_MYSQL ? [] : own });
    caFile = IS_MYSQL ? join(await dataFolder(server), "ca.pem") : made.caFile;
    installed = await installForDoctor();
  });
  after(async () => {
    await installed[Symbol.asyncDispose]();
    await scratch.close();
  });

  const settings = (changes: object): Record<string, unknown> => {
    const { host, port, user, password } = server;
    return { dialect: "mysql", database: "mysql", host, port, user, password, ...changes };
  };
  /** The lines of doctor on the database. */
  const diagnose = async (changes: object): Promise<string> => {
    const diagnosis = await installed.diagnose({ db_settings: { file: undefined, ...settings(changes) } });
    return diagnosis.of("database");
  };
  /** Reads the cipher of a session as the worker opens it. */
  const cipher = async (changes: object): Promise<string> => {
    await using db = openDatabase(parse({ db_settings: settings(changes) }).db);
    const { rows } = await sql<{ Value: string }>`show session status like 'Ssl_cipher'`.execute(db);
    return rows[0]?.Value ?? "";
  };

  test("is accepted with verify_host: false and its CA, and doctor warns", async () => {
    const changes = { ca_file: caFile, verify_host: false };
    assert.match(await cipher(changes), /^TLS_/);
    const lines = await diagnose(changes);
    assert.match(lines, /^ok: \S+ \S+ at 127\.0\.0\.1:\d+, database mysql, as root, TLS$/m);
    assert.match(
      lines,
      /^warn: the host name 127\.0\.0\.1 is not verified: .* \| Give the server a certificate/m,
    );
  });

  test("is rejected without verify_host: false, and the error names the setting", async () => {
    const changes = { ca_file: caFile };
    const message = /altnames.*use a name in the server's certificate.*set ca_file and verify_host: false$/s;
    await assert.rejects(cipher(changes), { code: "UNAVAILABLE", message });
    const lines = await diagnose(changes);
    assert.match(lines, /^fail: cannot reach .*altnames.* set db_settings.ca_file and verify_host: false/);
    assert.doesNotMatch(lines, /is not verified/);
  });

  test("is rejected with another CA, even with verify_host: false", async () => {
    const changes = { ca_file: otherCa, verify_host: false };
    const message = /db_settings\.ca_file must contain the CA that signed the server's certificate$/;
    await assert.rejects(cipher(changes), { code: "UNAVAILABLE", message });
    assert.match(await diagnose(changes), /^fail: cannot reach .*db_settings\.ca_file must contain the CA/);
  });

  test("is rejected by the CAs that Node trusts", async () => {
    await assert.rejects(cipher({ tls: true }), { code: "UNAVAILABLE", message: /certificate/ });
  });
});
