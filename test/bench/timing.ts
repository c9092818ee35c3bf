/**
 * How long refused logins take: `make bench-timing`. Whether there is such a user, whether the account is on, and what
 * hash it has must not show. Each round has one login of each kind, in random order, one at a time, so that what else the
 * machine does meets all kinds alike. Ends with 1 when a median is more than 5 % away from that of a wrong password.
 */
import { parseArgs } from "node:util";
import { createPasswords } from "../../src/auth/password.ts";
import { type AppConfig, SECTIONS } from "../../src/config/schema.ts";
import { UNTHROTTLED } from "../support/unthrottled.ts";
import { median } from "./load.ts";
import { serve, type NewRow } from "./serve.ts";

const { values: options } = parseArgs({ options: { samples: { type: "string", default: "100" } } });
const SAMPLES = Number(options.samples);
const ALLOWED = 0.05;
const BINS = 40;
const BARS = " ▁▂▃▄▅▆▇█";

const PASSWORD = "a staple of batteries";
const BASELINE = "wrong password";
const OTHER = "a hash of the other kind";
const BCRYPT_COST = 10;

/** The name that each kind of login uses. */
const KINDS: Readonly<Record<string, string>> = {
  [BASELINE]: "local-one",
  "unknown user": "nobody-here",
  "deactivated, wrong password": "sleeper",
  "a cheaper hash": "cheap-one",
  [OTHER]: "other-one",
  "a damaged hash": "damaged-one",
  "a user of a directory that is not configured": "faraway",
};

for (const password_hash of ["bcrypt", "argon2id"] as const) await compare(password_hash);

async function compare(password_hash: AppConfig["password_hash"]): Promise<void> {
  const app_config = { bcrypt_cost: BCRYPT_COST, password_hash, login_throttle: UNTHROTTLED };
  await using worker = await serve({ app_config }, await rowsFor(password_hash));
  // With bcrypt configured there is no other kind to hide: going back is documented to tell (ADR 22).
  const kinds = Object.entries(KINDS).filter(([kind]) => kind !== OTHER || password_hash === "argon2id");
  const times = new Map(kinds.map(([kind]) => [kind, [] as number[]]));
  // The first round warms up.
  for (let round = -1; round < SAMPLES; round++) {
    for (const [kind, username] of shuffled(kinds)) {
      const since = performance.now();
      const reply = await worker.client.call(
        "login",
        JSON.stringify({ username, password: "wrong" }),
        30_000,
      );
      const took = performance.now() - since;
      if (reply.resp_code !== 401) throw new Error(`${kind}: ${JSON.stringify(reply)}`);
      if (round >= 0) times.get(kind)?.push(took);
    }
  }
  print(password_hash, times);
}

async function rowsFor(password_hash: AppConfig["password_hash"]): Promise<NewRow[]> {
  const hash = (settings: Partial<AppConfig>): Promise<Uint8Array> =>
    createPasswords(SECTIONS.app_config.parse(settings)).hash(PASSWORD, () => true);
  const configured = await hash({ password_hash, bcrypt_cost: BCRYPT_COST });
  const cheap = { password_hash, bcrypt_cost: BCRYPT_COST - 3, argon2_memory_kib: 19_456 / 4 } as const;
  return [
    { username: "local-one", password_hash: configured },
    { username: "sleeper", password_hash: configured, activated: false },
    { username: "cheap-one", password_hash: await hash(cheap) },
    { username: "other-one", password_hash: await hash({ bcrypt_cost: BCRYPT_COST }) },
    { username: "damaged-one", password_hash: Buffer.from("$2b$10$damaged") },
    { username: "faraway", password_hash: null, auth_type: "LDAP" },
  ];
}

function print(password_hash: string, times: ReadonlyMap<string, readonly number[]>): void {
  const all = [...times.values()].flat().sort((a, b) => a - b);
  // The slowest hundredth is the machine's, and would press everything else into one bar.
  const [from = 0, to = 1] = [all[0], all[Math.floor(all.length * 0.99)]];
  const baseline = times.get(BASELINE) ?? [];
  process.stdout.write(
    `\nrefused logins, new hashes by ${password_hash} (bcrypt cost ${BCRYPT_COST}), ${SAMPLES} of each kind, ` +
      `${from.toFixed(1)} to ${to.toFixed(1)} ms from left to right\n` +
      `${"".padEnd(46)} ${"median".padStart(8)} ${"away".padStart(6)} ${"overlap".padStart(8)}\n`,
  );
  for (const [kind, own] of times) {
    const away = median(own) / median(baseline) - 1;
    if (Math.abs(away) > ALLOWED) process.exitCode = 1;
    const [bins, others] = [own, baseline].map((values) => histogram(values, from, to));
    const overlap = (bins ?? []).reduce((sum, share, bin) => sum + Math.min(share, others?.[bin] ?? 0), 0);
    const highest = Math.max(...(bins ?? []));
    const bars = (bins ?? []).map((share) => BARS[Math.ceil((share / highest) * (BARS.length - 1))]).join("");
    process.stdout.write(
      `${kind.padEnd(46)} ${median(own).toFixed(1).padStart(5)} ms ` +
        `${(100 * away).toFixed(1).padStart(5)}% ${(100 * overlap).toFixed(0).padStart(7)}%  ${bars}\n`,
    );
  }
}

/** The share of the values in each of some equal steps between two times. */
function histogram(values: readonly number[], from: number, to: number): number[] {
  const counts = new Array<number>(BINS).fill(0);
  for (const value of values) {
    const bin = Math.min(BINS - 1, Math.floor(((value - from) / (to - from)) * BINS));
    counts[bin] = (counts[bin] ?? 0) + 1 / values.length;
  }
  return counts;
}

function shuffled<T>(values: readonly T[]): T[] {
  return values
    .map((value) => ({ value, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ value }) => value);
}
