import type { DemoInstallation } from "./installation.ts";
import { oneLine } from "./layout.ts";
import * as terminal from "./terminal.ts";

/** Expectations of a reply. */
interface Expected {
  readonly code?: number;
  /** The error code. */
  readonly error?: string;
  /** All members of `resp_data`. */
  readonly members?: readonly string[];
}

type Data = Readonly<Record<string, unknown>>;

/** A reply was not as expected. */
class Unexpected extends Error {
  override readonly name = "Unexpected";
}

/** Sends requests with `authmq call`, shows them with their replies, and counts the replies. */
export class DemoCaller {
  readonly #installation: DemoInstallation;
  /** Number of replies that were as expected. */
  count = 0;

  constructor(installation: DemoInstallation) {
    this.#installation = installation;
  }

  /** Shows the command and the reply; returns `resp_data`, or throws Unexpected. */
  async call(queue: string, request: Data, expected: Expected = {}): Promise<Data> {
    const json = oneLine(request);
    terminal.command(`authmq call ${queue} '${json}'`);
    return this.#send(queue, json, expected, true);
  }

  /** Like `call`, but shows nothing unless the reply is not as expected. */
  async callSilently(queue: string, request: Data): Promise<Data> {
    return this.#send(queue, oneLine(request), {}, false);
  }

  async #send(queue: string, json: string, expected: Expected, shown: boolean): Promise<Data> {
    const { stdout, stderr, exitCode } = await this.#installation.run(["call", queue, json]);
    if (stdout === "") throw new Unexpected(`no reply (exit code ${exitCode ?? "none"}): ${stderr.trim()}`);
    const { resp_code, resp_data } = JSON.parse(stdout) as { resp_code: number; resp_data: Data };
    const missed = mismatchIn(resp_code, resp_data, expected);
    if (shown || missed !== undefined) terminal.reply(resp_code, resp_data, missed);
    if (missed !== undefined) throw new Unexpected(`${queue}: ${missed}`);
    this.count++;
    return resp_data;
  }
}

/** The token in a reply of `login` or `token`. */
export function tokenIn({ id_token, access_token }: Data): string {
  const token = id_token ?? access_token;
  if (typeof token !== "string") throw new Unexpected("the reply has no token");
  return token;
}

function mismatchIn(
  respCode: number,
  data: Data,
  { code = 200, error, members }: Expected,
): string | undefined {
  if (respCode !== code) return `expected ${code}`;
  if (error !== undefined && data["error"] !== error) return `expected the error ${error}`;
  const names = Object.keys(data).sort().join(", ");
  const expected = members?.toSorted().join(", ");
  return expected === undefined || expected === names ? undefined : `expected ${expected}`;
}
