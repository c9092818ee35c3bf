/**
 * Compares response times that must reveal nothing: `make bench-timing`. At a login or a request for an email, they
 * must not reveal whether a user exists, is activated, or which kind of hash it has. Each round sends one request of
 * each kind in random order, one at a time, so that other load on the machine affects all kinds alike. Exits with 1 if
 * a median differs by more than 5 % from that of the first kind.
 */
import { parseArgs } from "node:util";
import { createPasswords } from "../../src/auth/password.ts";
import { type AppConfig, SECTIONS } from "../../src/config/schema.ts";
import { UNTHROTTLED } from "../support/unthrottled.ts";
import { median } from "./load.ts";
import { type NewRow, serve, type ServedWorker } from "./serve.ts";

const { values: options } = parseArgs({ options: { samples: { type: "string", default: "100" } } });
const SAMPLES = Number(options.samples);
const ALLOWED = 0.05;
const BINS = 40;
const BARS = " ▁▂▃▄▅▆▇█";

const PASSWORD = "a staple of batteries";
const OTHER = "a hash of the other kind";
const BCRYPT_COST = 10;

/** The username for each kind of login; the first kind is the baseline. */
const LOGINS: Readonly<Record<string, string>> = {
  "wrong password": "local-one",
  "unknown user": "nobody-here",
  "deactivated, wrong password": "sleeper",
  "a cheaper hash": "cheap-one",
  [OTHER]: "other-one",
  "a damaged hash": "damaged-one",
  "a user of a directory that is not configured": "faraway",
};

/** Requests to compare. */
interface Comparison {
  readonly title: string;
  readonly queue: string;
  readonly code: number;
  readonly rounds: number;
  /** For each kind, the request of a round. */
  readonly kinds: readonly (readonly [kind: string, requestOf: (round: number) => object])[];
}

for (const password_hash of ["bcrypt", "argon2id"] as const) {
  const app_config = { bcrypt_cost: BCRYPT_COST, password_hash, login_throttle: UNTHROTTLED };
  await using worker = await serve({ app_config }, await rowsFor(password_hash));
  await compare(worker, {
    title: `failed logins, new hashes by ${password_hash} (bcrypt cost ${BCRYPT_COST})`,
    queue: "login",
    code: 401,
    rounds: SAMPLES,
    kinds: Object.entries(LOGINS)
      // With bcrypt configured, hashes of the other kind are documented to be distinguishable (ADR 22).
      .filter(([kind]) => kind !== OTHER || password_hash === "argon2id")
      .map(([kind, username]) => [kind, () => ({ username, password: "wrong" })]),
  });
}

// These take a few milliseconds, so noise is a larger part. An account gets at most five emails.
const rounds = 5 * SAMPLES;
const names = Array.from({ length: rounds + 1 }, (_, round) => `user-${round - 1}`);
await using worker = await serve(
  {},
  names.flatMap((username) => [
    { username, password_hash: null },
    { username: `off-${username}`, password_hash: null, activated: false },
    { username: `far-${username}`, password_hash: null, auth_type: "LDAP" as const },
  ]),
);
for (const [title, queue] of [
  ["forgotten passwords", "user_password_forgot"],
  ["resent verifications", "user_verification_resend"],
] as const)
  await compare(worker, {
    title,
    queue,
    code: 200,
    rounds,
    kinds: [
      ["an account", (round) => ({ username: `user-${round}` })],
      ["unknown user", (round) => ({ username: `nobody-${round}` })],
      ["deactivated", (round) => ({ username: `off-user-${round}` })],
      ["a user of a directory", (round) => ({ username: `far-user-${round}` })],
    ],
  });

async function compare(
  { client }: ServedWorker,
  { title, queue, code, rounds: count, kinds }: Comparison,
): Promise<void> {
  const times = new Map(kinds.map(([kind]) => [kind, [] as number[]]));
  // The first round is a warm-up.
  for (let round = -1; round < count; round++) {
    for (const [kind, requestOf] of shuffled(kinds)) {
      const since = performance.now();
      const reply = await client.call(queue, JSON.stringify(requestOf(round)), 30_000);
      const took = performance.now() - since;
      if (reply.resp_code !== code) throw new Error(`${kind}: ${JSON.stringify(reply)}`);
      if (round >= 0) times.get(kind)?.push(took);
    }
  }
  print(`${title}, ${count} of each kind`, times);
}

async function rowsFor(password_hash: AppConfig["password_hash"]): Promise<NewRow[]> {
  const hash = (settings: Partial<AppConfig>): Promise<Uint8Array> =>
    createPasswords(SECTIONS.app_config.parse(settings)).hash(PASSWORD, () => false);
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

function print(title: string, times: ReadonlyMap<string, readonly number[]>): void {
  const all = [...times.values()].flat().sort((a, b) => a - b);
  // The slowest 1 % is noise, and would compress all others into one bar.
  const [from = 0, to = 1] = [all[0], all[Math.floor(all.length * 0.99)]];
  const [baseline = []] = times.values();
  process.stdout.write(
    `\n${title}, ${from.toFixed(1)} to ${to.toFixed(1)} ms from left to right\n` +
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

/** The fractions of values in equal intervals between two times. */
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
