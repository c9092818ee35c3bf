import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { connect, type ConnectOptions, NoReplyError } from "../../src/client/index.ts";
import { addressOf } from "../../src/client/options.ts";
import { startProxy } from "../support/proxy.ts";
import { makeCertificates } from "../support/servers/certificates.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { lacksTlsBroker, startTlsBroker, type TlsBroker } from "../support/tls-broker.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";
import { through } from "./responder.ts";

interface Connected extends AsyncDisposable {
  readonly broker: TlsBroker;
  readonly worker: TestWorker;
  readonly ca: string;
}

/** A broker with TLS, and a worker that is connected over TLS. */
async function startConnected(): Promise<Connected> {
  const broker = await startTlsBroker();
  const { host, port, username, password, certificates } = broker;
  const address = { host, port, username, password, vhost: "/", ca_file: certificates.caFile };
  const worker = await startWorker({ config: { amqp_settings: address } });
  return {
    broker,
    worker,
    ca: readFileSync(certificates.caFile, "utf8"),
    async [Symbol.asyncDispose]() {
      await worker[Symbol.asyncDispose]();
      await broker[Symbol.asyncDispose]();
    },
  };
}

test("with a CA the default port is the TLS port, for amqp:// too", () => {
  const urls = ["amqp://broker", "amqps://broker", "amqp://broker:5672"];
  const ports = (more: object): unknown[] =>
    urls.map((url) => addressOf({ url, ...more }).nodes.map(({ port }) => port)).flat();
  assert.deepEqual(ports({}), [5672, 5671, 5672]);
  assert.deepEqual(ports({ ca: "PEM" }), [5671, 5671, 5672]);
});

describe("TLS", { skip: lacksTlsBroker }, () => {
  test("calls work over TLS with the broker's CA, with a URL or nodes, and after a lost connection", async () => {
    await using connected = await startConnected();
    const { worker, ca } = connected;
    const { url, port } = connected.broker;
    await worker.addUser("alice", "correct horse");
    const { username, password } = new URL(url);
    const nodes = { nodes: [{ host: "localhost", port }], username, password };
    await using proxy = await startProxy(port);
    const ways: ConnectOptions[] = [
      { url, ca },
      { url: url.replace("amqps:", "amqp:"), ca: Buffer.from(ca) },
      { ...nodes, ca },
    ];
    for (const options of ways) {
      await using auth = await connect(options);
      assert.equal((await auth.user.get({ username: "alice" })).username, "alice");
    }

    const auth = await connect({ url: through(proxy.port, url), ca });
    const { id_token } = await auth.session.login({ username: "alice", password: "correct horse" });
    proxy.cut();
    proxy.restore();
    const { access_token } = await auth.session.getAccessToken({ id_token });
    assert.ok(access_token, "there is no access token");
    proxy.hang();
    await auth.close();
    await waitUntil("no connection", () => proxy.connections === 0 || undefined, { seconds: 5 });
  });

  test("connect rejects an unknown CA, a wrong host name and a broker without TLS", async () => {
    await using connected = await startConnected();
    const { worker, ca } = connected;
    const { scratch, url } = connected.broker;
    const { caFile } = await makeCertificates(scratch, "another", { hosts: ["localhost"] });
    const refusals: [options: ConnectOptions, why: string][] = [
      [{ url, ca: readFileSync(caFile) }, "SELF_SIGNED_CERT_IN_CHAIN"],
      [{ url }, "SELF_SIGNED_CERT_IN_CHAIN"],
      [{ url: url.replace("localhost", "127.0.0.1"), ca }, "ERR_TLS_CERT_ALTNAME_INVALID"],
      [{ url: through(Number(new URL(worker.url).port), url), ca }, "ERR_SSL_WRONG_VERSION_NUMBER"],
    ];
    for (const [options, why] of refusals) {
      await assert.rejects(connect({ ...options, timeout: 3000 }), (error) => {
        assert.ok(error instanceof NoReplyError && error.cause instanceof Error, String(error));
        assert.equal("code" in error.cause && error.cause.code, why);
        return true;
      });
    }
  });
});
