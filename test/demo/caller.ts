import type { DemoInstallation } from "./installation.ts";
import { oneLine } from "./layout.ts";
import * as terminal from "./terminal.ts";

/** What a reply must be. */
interface Expected {
  readonly code?: number;
  /** The code of the failure. */
  readonly error?: string;
  /** The members of `resp_data`, all of them. */
  readonly members?: readonly string[];
}

type Data = Readonly<Record<string, unknown>>;

/** A reply was not what the story says. */
class Unexpected extends Error {
  override readonly name = "Unexpected";
}

/** Sends requests with `authmq call`, shows them with their replies, and counts those that were as expected. */
export class DemoCaller {
  readonly #installation: DemoInstallation;
  /** Replies that were as expected. */
  count = 0;

  constructor(installation: DemoInstallation) {
    this.#installation = installation;
  }

  /** Shows the command and the reply; gives `resp_data`, or throws Unexpected. */
  async call(queue: string, request: Data, expected: Expected = {}): Promise<Data> {
    const json = oneLine(request);
    terminal.command(`authmq call ${queue} '${json}'`);
    return this.#send(queue, json, expected, true);
  }

  /** The same without a word, unless the reply is not as expected. */
  async quietly(queue: string, request: Data): Promise<Data> {
    return this.#send(queue, oneLine(request), {}, false);
  }

  async #send(queue: string, json: string, expected: Expected, shown: boolean): Promise<Data> {
    const { stdout, stderr, exitCode } = await this.#installation.run(["call", queue, json]);
    if (stdout === "") throw new Unexpected(`no reply (exit code ${exitCode ?? "none"}): ${stderr.trim()}`);
    const { resp_code, resp_data } = JSON.parse(stdout) as { resp_code: number; resp_data: Data };
    const missed = whatIsWrong(resp_code, resp_data, expected);
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

function whatIsWrong(
  respCode: number,
  data: Data,
  { code = 200, error, members }: Expected,
): string | undefined {
  if (respCode !== code) return `expected ${code}`;
  if (error !== undefined && data["error"] !== error) return `expected the error ${error}`;
  const names = Object.keys(data).sort().join(", ");
  const wanted = members?.toSorted().join(", ");
  return wanted === undefined || wanted === names ? undefined : `expected ${wanted}`;
}
