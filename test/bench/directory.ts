/**
 * Compares directory logins with a bare bind and search, and measures other requests while a directory hangs:
 * `make bench-directory`. Worker, broker, database, directory, client and the bare loop are separate processes on this
 * machine. The loops run in turn, so that ratios are meaningful even if absolute numbers are not.
 */
import { startProxy } from "../support/proxy.ts";
import { missingFor } from "../support/servers/directories.ts";
import { startOpenLdap } from "../support/servers/openldap.ts";
import { startSamba } from "../support/servers/samba.ts";
import { Scratch } from "../support/servers/scratch.ts";
import type { BareLdapOptions } from "./bare-ldap.ts";
import { closedLoop, type Load, median, spread } from "./load.ts";
import { startLoop } from "./loop.ts";
import { serve, type ServedWorker } from "./serve.ts";

const PASSWORD = "correct horse";
const USERS = Array.from({ length: 20 }, (_, index) => `user-${index}`);
const GROUPS = ["allowed_to_login", "API_PERMdev", "API_PERMops"];
const ROUNDS = 3;
/** Concurrency of the bare loop and of the logins: the number of a worker's connections to the directory. */
const IN_FLIGHT = 8;
const POINT_MS = 5000;
const WARM_UP_MS = 2000;

interface Directory {
  readonly name: string;
  readonly url: string;
  readonly baseDn: string;
  readonly bind: string;
  readonly bindName: (user: string) => string;
  /** The expectation, as text. */
  readonly expectation: string;
}

await using scratch = new Scratch();
if (missingFor("openldap") === undefined) {
  const ldap = await startOpenLdap(scratch);
  const { url, baseDn } = ldap;
  for (const user of USERS) await ldap.addUser(user, PASSWORD, { groups: GROUPS });
  await compareLogins({
    name: "OpenLDAP",
    url,
    baseDn,
    bind: `cn={username},${baseDn}`,
    bindName: (user) => ldap.dnOf(user),
    expectation: "no target: a bare login takes less time than broker and durable commit alone",
  });
}
if (missingFor("samba") === undefined) {
  const samba = await startSamba(scratch);
  for (const user of USERS) await samba.addUser(user, PASSWORD, { groups: GROUPS });
  const bindName = (user: string): string => `${samba.domain}\\${user}`;
  await compareLogins({
    name: "Active Directory (Samba)",
    url: samba.url,
    baseDn: samba.usersDn,
    bind: bindName("{username}"),
    bindName,
    expectation: "target: at least 0.70",
  });
  await samba.stop();
}
if (missingFor("openldap") === undefined) await compareTokens();

async function compareLogins({ name, url, baseDn, bind, bindName, expectation }: Directory): Promise<void> {
  await using worker = await serve({ ldap_settings: { address: url, base_dn: baseDn, bind } });
  const users = USERS.map((user) => ({ bind: bindName(user), name: user }));
  const options: BareLdapOptions = { url, baseDn, users, inFlight: IN_FLIGHT, password: PASSWORD };
  await using bare = startLoop<number>("./bare-ldap.ts", options);
  const logins = (ms: number): Promise<Load> =>
    closedLoop(IN_FLIGHT, ms, async (round) => {
      await worker.call("login", { username: USERS[round % USERS.length], password: PASSWORD });
    });
  await bare.run(WARM_UP_MS);
  await logins(WARM_UP_MS);
  const loads: { bare: Load; login: Load }[] = [];
  for (let round = 0; round < ROUNDS; round++)
    loads.push({ bare: await bare.run(POINT_MS), login: await logins(POINT_MS) });
  const rates = (of: "bare" | "login"): number[] => loads.map((load) => load[of].perSecond);
  const ratio = median(rates("login")) / median(rates("bare"));
  say(
    `${name}: ${IN_FLIGHT} in flight, ${ROUNDS} rounds of ${POINT_MS / 1000} s each in turn; medians (from, to)`,
  );
  say(`  bare bind and search              ${spread(rates("bare"), "/s")}`);
  say(`  login                             ${spread(rates("login"), "/s")}`);
  say(`  login / bare                      ${ratio.toFixed(2)}  (${expectation})\n`);
}

async function compareTokens(): Promise<void> {
  const ldap = await startOpenLdap(scratch);
  await using proxy = await startProxy(ldap.port);
  await using worker = await serve(
    {
      ldap_settings: { address: `ldap://127.0.0.1:${proxy.port}`, bind: `cn={username},${ldap.baseDn}` },
      app_config: { bcrypt_cost: 8 },
    },
    ["holder", "local"].map((username) => ({ username, password_hash: PASSWORD })),
  );
  const { id_token } = await worker.call("login", { username: "holder", password: PASSWORD });
  const repeatCall = (queue: string, request: object) => (ms: number) =>
    closedLoop(4, ms, async () => {
      await worker.call(queue, request);
    });
  const token = repeatCall("token", { id_token });
  const login = repeatCall("login", { username: "local", password: PASSWORD });
  await token(WARM_UP_MS);
  await login(WARM_UP_MS);
  const p95: Record<"idle" | "hanging", { token: number[]; login: number[] }> = {
    idle: { token: [], login: [] },
    hanging: { token: [], login: [] },
  };
  for (let round = 0; round < ROUNDS; round++) {
    for (const state of ["idle", "hanging"] as const) {
      if (state === "hanging") proxy.hang();
      else proxy.restore();
      const flood = state === "hanging" ? startFlood(worker) : undefined;
      p95[state].token.push((await token(POINT_MS)).p95);
      p95[state].login.push((await login(POINT_MS)).p95);
      await flood?.end();
    }
  }
  say(`OpenLDAP hanging while 32 logins wait for it, against OpenLDAP idle; p95, medians (from, to)`);
  for (const what of ["token", "login"] as const) {
    const ratio = median(p95.hanging[what]) / median(p95.idle[what]);
    const name = (what === "token" ? "token," : "local login,").padEnd(12);
    say(`  ${name} idle                 ${spread(p95.idle[what], "ms")}`);
    say(`  ${name} hanging              ${spread(p95.hanging[what], "ms")}`);
    say(`  ${name} hanging / idle       ${ratio.toFixed(2)}  (target: under 3)`);
  }
}

/** Sends directory logins that hang, or are rejected because others hang, with concurrency 32. */
function startFlood({ client }: ServedWorker): { end(): Promise<void> } {
  const ended = new AbortController();
  const loop = async (index: number): Promise<void> => {
    const body = JSON.stringify({ username: `hanging-${index}`, password: PASSWORD });
    while (!ended.signal.aborted) {
      await client.call("login", body, 30_000);
      // Like a client that waits before it retries.
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  const loops = Array.from({ length: 32 }, (_, index) => loop(index));
  return {
    async end() {
      ended.abort();
      await Promise.all(loops);
    },
  };
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
