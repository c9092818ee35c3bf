import { setTimeout as sleep } from "node:timers/promises";
import { Intents, type KnownUser } from "./intents.ts";
import { CallerLink } from "./link.ts";
import { createRandom } from "./random.ts";
import { isDone, RequestHistory } from "./request-history.ts";
import { Sender } from "./sender.ts";
import { openSetup, type Servers } from "./setup.ts";
import { withRoot } from "./stores.ts";

const WINDOW = 4000;
const USER: KnownUser = { username: "reader", password: "reads only", email: "r@example.com", groups: [] };

/** Token requests, with one and with several in flight. */
interface Rates {
  /** Median in milliseconds. */
  readonly one: number;
  /** Requests a second. */
  readonly many: number;
}

/**
 * Measures token requests with causal reads and without. Without them the nodes do not replicate, so their content
 * differs afterwards: nothing else can use the cluster.
 */
export async function measureCausalReads(servers: Servers, say: (line: string) => void): Promise<void> {
  await using setup = await openSetup(servers, { database: "mysql", kill: undefined, amqp: {} });
  const history = new RequestHistory();
  const deadline = (): number => 0;
  const sender = new Sender({ history, random: createRandom(1), copies: 1, limit: 10_000, deadline });
  const { access } = setup;
  const link = new CallerLink({
    name: "reader",
    access,
    replyQueue: undefined,
    onReply: sender.receiveReply,
  });
  link.open();
  while (!link.isOpen) await sleep(20);
  sender.use([link]);
  const intents = new Intents(setup.adminToken);
  await sender.send(intents.createUser(USER), { caller: "reader" });
  const { result } = await sender.send(intents.login(USER), { caller: "reader" });
  const token = String(result?.data["id_token"]);
  const one = async (): Promise<number> => {
    const begun = performance.now();
    const request = await sender.send(intents.getAccessToken(USER, token), { caller: "reader" });
    if (!isDone(request)) throw new Error(`a token request got ${request.result?.text ?? "no reply"}`);
    return performance.now() - begun;
  };
  const measure = async (name: string): Promise<Rates> => {
    for (let warm = 0; warm < 200; warm++) await one();
    const times: number[] = [];
    for (const end = Date.now() + WINDOW; Date.now() < end; ) times.push(await one());
    let count = 0;
    const end = Date.now() + WINDOW;
    const loop = async (): Promise<void> => {
      for (; Date.now() < end; count++) await one();
    };
    await Promise.all(Array.from({ length: 32 }, loop));
    const median = times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? NaN;
    const rates = { one: median, many: count / (WINDOW / 1000) };
    say(
      `  ${name}: median ${rates.one.toFixed(2)} ms, ${rates.many.toFixed(0)} requests/s with 32 in flight`,
    );
    return rates;
  };
  try {
    const withWait = await measure("with causal reads");
    for (const node of servers.databases) await withRoot(node, (query) => query("set global wsrep_on = off"));
    for (const relay of setup.failovers) relay.cut();
    const without = await measure("without");
    const [time, rate] = [withWait.one / without.one, withWait.many / without.many];
    say(`  ratio: ${time.toFixed(2)} of the time, ${rate.toFixed(2)} of the requests`);
  } finally {
    await link.close();
  }
}
