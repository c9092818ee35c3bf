/**
 * Loaded into every test file's process before its own code: notes every message that goes to or comes from the broker,
 * every line that any worker in the process logs, every answer over HTTP, and what every authmq that is started as a
 * process of its own says. What is watched works as before.
 */
import childProcess, { type ChildProcess } from "node:child_process";
import { tracingChannel } from "node:diagnostics_channel";
import { ServerResponse } from "node:http";
import { createRequire, syncBuiltinESMExports } from "node:module";
import type { Readable } from "node:stream";
import { noteFile, noteMessage, noteWritten } from "./notes.ts";

/** Their output is what was asked for: an answer with a token in it, a key, or hashes. */
const GIVES_SECRETS = /\bcall (?:login|token)\b|\bkeys generate\b|\busers export\b.* --with-hashes\b/;

const AUTHMQ = /src\/cli\.ts$|dist\/cli\.js$|^authmq$/;

interface Message {
  readonly content: Buffer;
  readonly properties: { readonly type?: string; readonly appId?: string };
}

type Method = (this: unknown, ...args: unknown[]) => unknown;

watchBroker();
watchLogs();
watchHttp();
watchProcesses();

function watchBroker(): void {
  const entry = createRequire(import.meta.url).resolve("amqplib");
  const { Channel, BaseChannel } = createRequire(entry)("./lib/channel.js") as Record<
    "Channel" | "BaseChannel",
    { prototype: object }
  >;
  before(Channel.prototype, "sendMessage", (_fields, _properties, content) =>
    noteMessage(content as Uint8Array),
  );
  before(BaseChannel.prototype, "dispatchMessage", (_fields, message) => {
    if (message === null) return;
    const { content, properties } = message as Message;
    noteMessage(content);
    if (properties.type === "result" && properties.appId === "authmq")
      noteWritten("replies", `${withoutTokens(content.toString())}\n`);
  });
}

/** A reply without what it is meant to carry. */
function withoutTokens(reply: string): string {
  return reply.replaceAll(/"(id_token|access_token|broker_token|kerberos_ticket)":"[^"]*"/g, '"$1":"..."');
}

/** Before the lines go to wherever they go: some tests throw them away. */
function watchLogs(): void {
  tracingChannel("pino_asJson").end.subscribe((event) =>
    noteWritten("log", (event as { result: string }).result),
  );
}

function watchHttp(): void {
  before(ServerResponse.prototype, "end", (body) => {
    if (typeof body === "string") noteWritten("answers over HTTP", `${body}\n`);
  });
}

function watchProcesses(): void {
  const { spawn } = childProcess;
  const watched = (...args: Parameters<typeof spawn>): ChildProcess => {
    const child = spawn(...args);
    const [command, words] = args;
    if (isWords(words) && [command, ...words].some((word) => AUTHMQ.test(word)))
      watchProcess(child, words, args.at(-1));
    return child;
  };
  Object.assign(childProcess, { spawn: watched });
  syncBuiltinESMExports();
}

function watchProcess(child: ChildProcess, words: readonly string[], options: unknown): void {
  for (const word of words) noteMessage(word);
  const given: unknown = isObject(options) ? options["stdio"] : undefined;
  const stdio: readonly unknown[] = Array.isArray(given) ? given : [];
  for (const [number, name] of [
    [1, "stdout"],
    [2, "stderr"],
  ] as const) {
    const place = `${name} of authmq`;
    const isMeant = number === 1 && GIVES_SECRETS.test(words.join(" "));
    const file: unknown = stdio[number];
    if (typeof file === "number") noteFile(place, file);
    const stream = child[name];
    if (stream === null) continue;
    // What the reader will get is looked at on its way: to listen would make it flow before its reader is there.
    before(stream, "push", (chunk) => {
      if (!Buffer.isBuffer(chunk)) return;
      if (isMeant) noteMessage(chunk);
      else noteWritten(place, chunk);
    });
  }
}

/** Has a method call `look` with its arguments first. */
function before(target: object | Readable, name: string, look: (...args: unknown[]) => void): void {
  const methods = target as Record<string, Method>;
  const method = methods[name];
  if (method === undefined) throw new Error(`there is no ${name} to be watched`);
  methods[name] = function (this: unknown, ...args) {
    look(...args);
    return method.apply(this, args);
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function isWords(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((word) => typeof word === "string");
}
