import { type Example, startExample } from "../support/example.ts";
import { Scratch } from "../support/servers/scratch.ts";
import type { TestWorker } from "../support/worker.ts";

/** An example with an HTTP server at its own origin. */
export interface WebExample extends AsyncDisposable {
  readonly example: Example;
  readonly origin: string;
}

/** Starts an example that serves a browser, and calls this worker; at a free port unless `env` has `PORT`. */
export async function startWebExample(
  worker: TestWorker,
  file: string,
  env: Readonly<Record<string, string>> = {},
): Promise<WebExample> {
  await using scratch = new Scratch();
  const port = env["PORT"] ?? (await scratch.freePort());
  const origin = `http://localhost:${port}`;
  const example = await startExample(worker, file, {
    AMQP_URL: worker.url,
    PORT: String(port),
    ORIGIN: origin,
    ...env,
  });
  return { example, origin, [Symbol.asyncDispose]: () => example[Symbol.asyncDispose]() };
}

/** An undefined header is left out. */
type SentHeaders = Readonly<Record<string, string | undefined>>;

/** What a browser sees of a response. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
  /** The `Set-Cookie` headers. */
  readonly setCookies: readonly string[];
}

/** A browser's requests from one page: it keeps cookies, and sends its origin with each write. */
export interface WebClient {
  readonly cookies: Map<string, string>;
  get(path: string, headers?: SentHeaders): Promise<Answer>;
  /** Sends JSON; a text is sent as it is. */
  post(path: string, body: unknown, headers?: SentHeaders): Promise<Answer>;
}

/** Opens a page of this origin. */
export function openWebClient(origin: string): WebClient {
  const cookies = new Map<string, string>();
  const send = async (path: string, options: RequestInit, headers: SentHeaders): Promise<Answer> => {
    const cookie = Array.from(cookies, (pair) => pair.join("=")).join("; ");
    const sent = new Headers(cookie === "" ? {} : { cookie });
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) sent.set(name, value);
    const response = await fetch(`${origin}${path}`, { ...options, headers: sent });
    const setCookies = response.headers.getSetCookie();
    for (const line of setCookies) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === "" || /; Max-Age=0|Expires=Thu, 01 Jan 1970/.test(line)) cookies.delete(name);
      else cookies.set(name, value);
    }
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
    const body = (isJson ? JSON.parse(text) : { text }) as Answer["body"];
    return { status: response.status, headers: response.headers, body, setCookies };
  };
  return {
    cookies,
    get: (path, headers = {}) => send(path, {}, headers),
    post(path, body, headers = {}) {
      const text = typeof body === "string" ? body : JSON.stringify(body);
      const usual = { origin, "sec-fetch-site": "same-origin", "content-type": "application/json" };
      return send(path, { method: "POST", body: text }, { ...usual, ...headers });
    },
  };
}
