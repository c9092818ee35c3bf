import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { newFolder, runCli, startCli } from "../support/cli.ts";
import type { Diagnosis } from "../support/doctor.ts";
import { createDatabase, dropDatabase } from "../support/database.ts";
import { createVhost, deleteVhost } from "../support/rabbitmq.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { lacksTlsBroker, startTlsBroker } from "../support/tls-broker.ts";

async function configurationOf(cwd: string, env: object): Promise<string[]> {
  const { stdout } = await runCli(["doctor", "--json"], { cwd, env });
  const { findings } = JSON.parse(stdout) as Diagnosis;
  return findings.filter(({ subject }) => subject === "configuration").map(({ msg }) => msg);
}

describe("an installation created by init", () => {
  for (const server of [true, false])
    test(`uses AMQP_URL and DATABASE_URL for ${server ? "MariaDB" : "SQLite"}, and doctor reports it`, async () => {
      const vhost = await createVhost();
      const address = server ? await createDatabase() : undefined;
      const database = address
        ? `mariadb://${address.user}:${encodeURIComponent(address.password)}@${address.host}:${address.port}/${address.database}`
        : "sqlite:users.db";
      const cwd = newFolder();
      const env = { AMQP_URL: vhost.url, DATABASE_URL: database };
      const { password } = new URL(vhost.url);
      try {
        for (const args of [["init"], ["migrate"]]) {
          const { code, stderr } = await runCli(args, { cwd, env });
          assert.equal(code, 0, stderr);
        }
        assert.equal(existsSync(join(cwd, "users.db")), !server);
        const worker = startCli(["serve"], { cwd, env });
        let log = "";
        worker.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
        await waitUntil("the worker", () => log.includes('"msg":"ready"') || undefined);
        const reply = await runCli(["call", "jwks"], { cwd, env });
        assert.equal(reply.code, 0, reply.stderr);

        const lines = await configurationOf(cwd, {
          ...env,
          AUTHMQ__AMQP_SETTINGS__CONNECTION_NAME: "doctor",
        });
        assert.ok(
          lines.includes(
            "amqp_settings: host, port, username, password, vhost from AMQP_URL; " +
              "connection_name from AUTHMQ__AMQP_SETTINGS__CONNECTION_NAME; the rest by default",
          ),
          lines.join("\n"),
        );
        assert.ok(
          lines.includes(
            server
              ? "db_settings: dialect, host, port, user, password, database from DATABASE_URL; the rest by default"
              : "db_settings: dialect, file from DATABASE_URL; the rest by default",
          ),
          lines.join("\n"),
        );
        assert.match(lines.join("\n"), /^app_config: .*default_vhost.* from the file; the rest/m);
        assert.ok(!lines.join("\n").includes(password), "the password is in the lines");
        const commandLine = readFileSync(`/proc/${worker.pid}/cmdline`, "utf8");
        assert.ok(!commandLine.includes(password), "the password is in the command line");
        worker.kill("SIGTERM");
        await waitUntil("its end", () => worker.exitCode !== null || undefined);
        assert.ok(!log.includes(password), "the password is in the log");
      } finally {
        await deleteVhost(vhost.name);
        if (address) await dropDatabase(address.database);
      }
    });

  test("reports unused variables, and the sources that override them", async () => {
    const cwd = newFolder();
    await runCli(["init"], { cwd });
    const env = {
      AMQP_URL: "amqp://env",
      AUTHMQ__AMQP_SETTINGS__URL: "amqp://a:b@127.0.0.1:1",
      AUTHMQ__AMQP_SETTINGS__PORT: "2",
      DATABASE_URL: "postgres://x",
      AUTHMQ__DB_SETTINGS__FILE: "own.db",
    };
    const lines = await configurationOf(cwd, env);
    for (const line of [
      "amqp_settings: host, username, password, url from AUTHMQ__AMQP_SETTINGS__URL; " +
        "port from AUTHMQ__AMQP_SETTINGS__PORT; the rest by default",
      "db_settings: file from AUTHMQ__DB_SETTINGS__FILE; the rest by default",
      "AMQP_URL is set but not used: other settings override it",
      "DATABASE_URL is set but not used: other settings override it",
    ])
      assert.ok(lines.includes(line), `${line} in\n${lines.join("\n")}`);
  });
});

test("an amqps URL uses TLS, and verifies with Node's CAs or with cacertfile", {
  skip: lacksTlsBroker,
}, async () => {
  await using broker = await startTlsBroker();
  const { url: AMQP_URL, certificates } = broker;
  const cwd = newFolder();
  await runCli(["init"], { cwd });
  const brokerLine = async (env: object): Promise<string> => {
    const { stdout } = await runCli(["doctor"], { cwd, env });
    return /^(?:ok|FAIL) +broker .*$/m.exec(stdout)?.[0] ?? stdout;
  };
  assert.match(await brokerLine({ AMQP_URL }), /^FAIL .*certificate/);
  const { caFile } = certificates;
  assert.match(await brokerLine({ AMQP_URL, NODE_EXTRA_CA_CERTS: caFile }), /^ok .*RabbitMQ .*, TLS$/);
  assert.match(await brokerLine({ AMQP_URL: `${AMQP_URL}?cacertfile=${caFile}` }), /^ok .*, TLS$/);
  const call = await runCli(["call", "jwks", "--timeout", "1"], { cwd, env: { AMQP_URL } });
  assert.equal(call.code, 2);
  assert.match(call.stderr, /certificate/);
});
