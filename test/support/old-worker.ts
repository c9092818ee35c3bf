import { createHmac } from "node:crypto";
import { type ChannelModel, connect } from "amqplib";

/** The issuer, shared secret and vhost of a worker of py_auth_micro. */
interface OldWorkerOptions {
  readonly issuer: string;
  readonly secret: string;
  readonly vhost: string;
}

/** The queues that this worker answers. */
const QUEUES = ["login", "token", "user_get", "user_register"] as const;

/**
 * A worker that declares queues, replies and signs like py_auth_micro: any password is right, and each user is in the
 * group `everybody`. Disposing it deletes its queues, if no other worker consumes them.
 */
export async function startOldWorker(
  url: string,
  options: OldWorkerOptions,
): Promise<AsyncDisposable & { readonly answered: () => number }> {
  const connection: ChannelModel = await connect(url);
  const channel = await connection.createChannel();
  await channel.prefetch(1);
  let answered = 0;
  for (const queue of QUEUES) {
    await channel.assertQueue(queue, {
      durable: false,
      autoDelete: true,
      arguments: { "x-dead-letter-exchange": "rpc.dlx" },
    });
    await channel.consume(queue, (message) => {
      if (message === null) return;
      const request = JSON.parse(message.content.toString()) as Record<string, unknown>;
      const reply = answer(queue, request, options);
      const { replyTo, correlationId } = message.properties as { replyTo: string; correlationId: string };
      channel.sendToQueue(replyTo, Buffer.from(JSON.stringify(reply)), { correlationId });
      channel.ack(message);
      answered++;
    });
  }
  let closed: Promise<void> | undefined;
  return { answered: () => answered, [Symbol.asyncDispose]: () => (closed ??= connection.close()) };
}

function answer(
  queue: (typeof QUEUES)[number],
  request: Readonly<Record<string, unknown>>,
  options: OldWorkerOptions,
): object {
  const success = (resp_data: object, resp_code = 200) => ({ resp_code, resp_data });
  const wrong = (text: string) => ({ resp_code: 500, resp_data: { msg: `something went wrong! ${text}` } });
  const { username } = request;
  if (queue === "login") return success({ id_token: idToken(String(username), options) });
  if (queue === "user_register") return success({ msg: `created user ${String(username)}` }, 201);
  if (queue === "user_get") return success({ username, created_at: "2024-02-29T12:00:00.123456+00:00" });
  const { header, payload } = partsOf(String(request["id_token"]));
  if (header["type"] !== "ID-Token") return wrong("invalid token");
  return success({ access_token: accessToken(String(payload["username"]), options) });
}

function partsOf(token: string): Record<"header" | "payload", Record<string, unknown>> {
  const [header, payload] = token
    .split(".", 2)
    .map((part) => JSON.parse(Buffer.from(part, "base64url").toString()) as Record<string, unknown>);
  return { header: header ?? {}, payload: payload ?? {} };
}

function idToken(username: string, options: OldWorkerOptions): string {
  return sign(
    { type: "ID-Token", ...timesOf(options, 86_400), kid: "17", aud: "*", vhost: options.vhost },
    { groups: ["everybody"], username },
    options.secret,
  );
}

function accessToken(user: string, options: OldWorkerOptions): string {
  const header = { Type: "Access-Token", ...timesOf(options, 300), aud: ["everybody"], vhost: options.vhost };
  return sign(header, { user }, options.secret);
}

/** Times with fractions, as Python's. */
function timesOf({ issuer }: OldWorkerOptions, lifetime: number) {
  const now = Date.now() / 1000;
  return { iss: issuer, iat: now, nbf: now, exp: now + lifetime };
}

function sign(header: object, payload: object, secret: string): string {
  const input = [{ alg: "HS256", typ: "JWT", ...header }, payload]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
}
