import { type Certificates, makeCertificates } from "./servers/certificates.ts";
import { startRabbitMq } from "./servers/rabbitmq.ts";
import { Scratch } from "./servers/scratch.ts";
import { isContainer } from "./servers/sources.ts";

/** Why no broker with TLS can be started on this machine; false if it can. */
export const lacksTlsBroker = isContainer("rabbitmq") && "a container cannot be configured";

/** A broker with TLS, with its vhost `/`. */
export interface TlsBroker extends AsyncDisposable {
  readonly scratch: Scratch;
  readonly certificates: Certificates;
  /** The name in the certificate. */
  readonly host: "localhost";
  readonly port: number;
  readonly username: string;
  readonly password: string;
  /** With username and password. */
  readonly url: string;
}

/** Starts a broker with TLS whose certificate is valid for `days` days. */
export async function startTlsBroker({ days = 2 } = {}): Promise<TlsBroker> {
  const scratch = new Scratch();
  const certificates = await makeCertificates(scratch, "broker", { hosts: ["localhost"], days });
  const port = await scratch.freePort();
  const files = { "tls.conf": listener(port, certificates) };
  const broker = await startRabbitMq(scratch, { files });
  const { username, password } = new URL(broker.url);
  return {
    scratch,
    certificates,
    host: "localhost",
    port,
    username,
    password,
    url: `amqps://${username}:${password}@localhost:${port}/%2F`,
    async [Symbol.asyncDispose]() {
      await broker.stop();
      await scratch.close();
    },
  };
}

function listener(port: number, { caFile, certificateFile, keyFile }: Certificates): string {
  return [
    `listeners.ssl.1 = 127.0.0.1:${port}`,
    `ssl_options.cacertfile = ${caFile}`,
    `ssl_options.certfile = ${certificateFile}`,
    `ssl_options.keyfile = ${keyFile}`,
    "ssl_options.verify = verify_none",
    "ssl_options.fail_if_no_peer_cert = false",
    "",
  ].join("\n");
}
