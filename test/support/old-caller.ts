import { randomUUID } from "node:crypto";
import type { ConsumeMessage } from "amqplib";
import { connectRaw } from "./raw-caller.ts";

/** A reply as the client of py_auth_micro returns it. */
export interface OldReply {
  readonly resp_code: number;
  readonly resp_data: Readonly<Record<string, unknown>>;
}

/** A caller with the properties and the `null` arguments of the client of py_auth_micro. */
export interface OldCaller extends AsyncDisposable {
  call(queue: string, request: Readonly<Record<string, unknown>>): Promise<OldReply>;
}

/** Arguments whose default is None, which arrive as null. */
const OPTIONAL: Readonly<Record<string, readonly string[]>> = {
  login: ["vhost", "ip"],
  user_get: ["access_token"],
  user_change: ["password", "email", "activated"],
};

/** A time that `datetime.fromisoformat` of Python 3.7 can read. */
const PYTHON_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3}(?:\d{3})?)?[+-]\d\d:\d\d$/;

/** Connects a caller. */
export async function connectOldCaller(url: string): Promise<OldCaller> {
  const raw = await connectRaw(url);
  return {
    async call(queue, request) {
      const correlationId = randomUUID();
      const nulls = Object.fromEntries((OPTIONAL[queue] ?? []).map((name) => [name, null]));
      raw.publish(queue, JSON.stringify({ ...nulls, ...request }), {
        contentType: "text/json",
        contentEncoding: "utf-8",
        correlationId,
        expiration: 10_000,
        mandatory: true,
      });
      const { content }: ConsumeMessage = await raw.firstReply(correlationId);
      return JSON.parse(content.toString()) as OldReply;
    },
    [Symbol.asyncDispose]: () => raw[Symbol.asyncDispose](),
  };
}

/** Whether a caller of py_auth_micro can read this time. */
export function isPythonTime(value: unknown): boolean {
  return typeof value === "string" && PYTHON_TIME.test(value);
}
