import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { BerReader } from "ldapts";
import type { Certificates } from "./servers/certificates.ts";

/** A server's response: its result code (RFC 4511 section 4.1.9), and optionally its text. */
export interface Answer {
  readonly code: number;
  readonly text?: string;
}

/** An entry as the server sends it. */
export interface SentEntry {
  readonly dn: string;
  readonly attributes: Readonly<Record<string, readonly string[]>>;
}

/** The responses of a fake directory. */
export interface FalseAnswers {
  readonly bind: (name: string) => Answer | Promise<Answer>;
  readonly search: () => readonly SentEntry[] | Answer | Promise<readonly SentEntry[]>;
  /** Supports StartTLS with this certificate, and sends these bytes in clear text after its response. */
  readonly tls?: { readonly certificates: Certificates; readonly inject?: Buffer };
}

/** A fake directory whose responses a test defines. */
export interface FalseDirectory extends AsyncDisposable {
  readonly url: string;
  readonly connections: number;
}

const BIND = 0x60;
const SEARCH = 0x63;
const EXTENDED = 0x77;

/** The encoded response to a bind. */
export function bindResponse(id: number, { code, text = "" }: Answer): Buffer {
  return response(id, 0x61, { code, text });
}

/** Starts a fake directory on the loopback interface. */
export async function startFalseDirectory(answers: FalseAnswers): Promise<FalseDirectory> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    serve(socket, socket, answers);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `ldap://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connections() {
      return sockets.size;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** Assumes that each request arrives in one chunk, and the next one only after the response. */
function serve(socket: Socket, raw: Socket, answers: FalseAnswers): void {
  const onData = (data: Buffer): void => {
    const reader = new BerReader(data);
    reader.readSequence();
    const id = reader.readInt() ?? 0;
    const operation = reader.readSequence();
    if (operation === BIND) {
      reader.readInt();
      const name = reader.readString() ?? "";
      void Promise.resolve(answers.bind(name)).then((answer) => socket.write(bindResponse(id, answer)));
    } else if (operation === SEARCH) {
      void Promise.resolve(answers.search()).then((found) => {
        const entries = Array.isArray(found) ? (found as readonly SentEntry[]) : [];
        for (const entry of entries) socket.write(message(id, sentEntry(entry)));
        socket.write(response(id, 0x65, "code" in found ? found : { code: 0 }));
      });
    } else if (operation === EXTENDED && answers.tls !== undefined) {
      const { certificates, inject = Buffer.alloc(0) } = answers.tls;
      raw.removeListener("data", onData);
      raw.write(Buffer.concat([response(id, 0x78, { code: 0 }), inject]));
      const [cert, key] = [certificates.certificateFile, certificates.keyFile].map((file) =>
        readFileSync(file),
      );
      const secure = new TLSSocket(raw, { isServer: true, cert, key });
      secure.on("error", () => undefined);
      serve(secure, raw, answers);
    }
  };
  socket.on("data", onData);
}

function response(id: number, tag: number, { code, text = "" }: Answer): Buffer {
  return message(id, element(tag, element(0x0a, Buffer.from([code])), element(4, ""), element(4, text)));
}

function message(id: number, operation: Buffer): Buffer {
  return element(0x30, element(2, Buffer.from([id])), operation);
}

function sentEntry({ dn, attributes }: SentEntry): Buffer {
  const list = Object.entries(attributes).map(([name, values]) =>
    element(0x30, element(4, name), element(0x31, ...values.map((value) => element(4, value)))),
  );
  return element(0x64, element(4, dn), element(0x30, ...list));
}

/** A BER element with a definite length. */
function element(tag: number, ...parts: readonly (Buffer | string)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
  const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}
