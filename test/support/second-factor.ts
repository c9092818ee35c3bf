import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { parseConfig } from "../../src/config/load.ts";
import { toSqlTime } from "../../src/db/time.ts";
import { createLogTo } from "../../src/observability/log.ts";
import { digestOfChallenge } from "../../src/tokens/challenge.ts";
import { createWorker, type Worker } from "../../src/worker.ts";
import { Authenticator, type Creation, type Options } from "./authenticator.ts";
import { dataOf } from "./replies.ts";
import { scratchFolder } from "./scratch-folder.ts";
import { UNTHROTTLED } from "./unthrottled.ts";
import type { TestWorker } from "./worker.ts";

/** Origin of the login page. */
export const ORIGIN = "https://login.example.com";

/** The relying party of passkeys. */
const PASSKEYS = { rp_id: "example.com", rp_name: "Example", origins: [ORIGIN] };

/** The password of all users. */
export const PASSWORD = "correct horse battery";

/** Milliseconds of a TOTP time step. */
const STEP = 30_000;

/** The configuration of an installation with second factors; `app` overrides parts of `app_config`. */
export function secondFactors(app: Readonly<Record<string, unknown>> = {}) {
  return {
    app_config: {
      bcrypt_cost: 4,
      second_factor: "optional",
      passkeys: PASSKEYS,
      sessions_per_user: 100,
      login_throttle: UNTHROTTLED,
      ...app,
    },
    encryption_keys: { active: { type: "base64key", value: randomBytes(32).toString("base64") } },
  };
}

/** What a request is authorized by. */
export interface Holder {
  readonly access_token?: string;
  readonly setup_token?: string;
  readonly ip?: string;
}

/** The reply to the confirmation of a factor. */
export interface Enrolled {
  readonly id: string;
  readonly recovery_codes?: string[];
  readonly id_token?: string;
}

/** An enrolled TOTP, with its secret in base32, and the code that confirmed it. */
export interface Totp extends Enrolled {
  readonly secret: string;
  readonly usedCode: string;
}

/** Enrols a TOTP with the code of this moment. */
export async function enrolTotp(worker: TestWorker, holder: Holder): Promise<Totp> {
  const begun = dataOf(await worker.call("totp_begin", holder));
  const secret = String(begun["secret"]);
  const usedCode = codeOf(secret);
  const confirmed = dataOf(await worker.call("totp_confirm", { ...holder, totp: usedCode }));
  return { ...(confirmed as unknown as Enrolled), secret, usedCode };
}

/** Enrols a passkey of an authenticator. */
export async function enrolPasskey(
  worker: TestWorker,
  holder: Holder,
  device = new Authenticator(),
  { name = "laptop", ...how }: Partial<Creation> & { readonly name?: string } = {},
): Promise<Enrolled & { readonly device: Authenticator }> {
  const options = optionsOf(dataOf(await worker.call("passkey_begin", holder)));
  const credential = device.create(options, { origin: ORIGIN, ...how });
  const reply = dataOf(await worker.call("passkey_confirm", { ...holder, credential, name }));
  return { ...(reply as unknown as Enrolled), device };
}

/** Creates a user with PASSWORD, logs it in, and returns its access token. */
export async function newUser(
  worker: TestWorker,
  username: string,
  { groups }: { readonly groups?: readonly string[] } = {},
): Promise<{ readonly username: string; readonly access_token: string; readonly id_token: string }> {
  await worker.addUser(username, PASSWORD, groups === undefined ? {} : { groups });
  const id_token = await worker.login(username, PASSWORD);
  return { username, id_token, access_token: await accessTokenOf(worker, id_token) };
}

/** Exchanges an ID token. */
export async function accessTokenOf(
  worker: TestWorker,
  id_token: unknown,
  more: object = {},
): Promise<string> {
  return String(dataOf(await worker.call("token", { id_token, ...more }))["access_token"]);
}

/** What a login with the right password returned instead of a session. */
export interface Challenged {
  readonly challenge: string;
  readonly methods: string[];
  readonly passkey_options?: Options;
}

/** Logs in with the right password; asserts that a second factor is requested. */
export async function challengeOf(
  worker: TestWorker,
  username: string,
  more: object = {},
): Promise<Challenged> {
  const { resp_code, resp_data } = await worker.call("login", { username, password: PASSWORD, ...more });
  assert.deepEqual(
    [resp_code, resp_data["error"]],
    [401, "SECOND_FACTOR_REQUIRED"],
    JSON.stringify(resp_data),
  );
  return resp_data as unknown as Challenged;
}

/** Logs in with the right password; asserts that the account must enrol a factor. */
export async function setupTokenOf(worker: TestWorker, username: string, more: object = {}): Promise<string> {
  const { resp_code, resp_data } = await worker.call("login", { username, password: PASSWORD, ...more });
  const { msg, ...rest } = resp_data;
  const { setup_token } = rest;
  assert.equal(typeof msg, "string");
  assert.deepEqual([resp_code, rest], [401, { error: "SECOND_FACTOR_SETUP_REQUIRED", setup_token }]);
  return String(setup_token);
}

/** The WebAuthn options in the data of a reply. */
export function optionsOf({ passkey_options }: { readonly passkey_options?: unknown }): Options {
  assert.ok(typeof passkey_options === "object" && passkey_options !== null, "there are no passkey_options");
  return passkey_options as Options;
}

/** The TOTP code of a secret at a time (RFC 6238), by default now. */
export function codeOf(secret: string, at = Date.now()): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / STEP)));
  const mac = createHmac("sha1", fromBase32(secret)).update(counter).digest();
  const offset = mac.readUInt8(19) & 0xf;
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/** The code of the next time step, which is accepted already: the enrolment has consumed the current step. */
export function nextCodeOf(secret: string): string {
  return codeOf(secret, Date.now() + STEP);
}

/** Waits until the current time step lasts for at least ten more seconds. */
export async function stepFor10Seconds(): Promise<void> {
  const left = STEP - (Date.now() % STEP);
  if (left < 10_000) await sleep(left);
}

/** A code that is wrong now; another one for each `index` below a hundred. */
export function wrongCodeOf(secret: string, index = 0): string {
  const right = [-2, -1, 0, 1, 2, 3].map((steps) => codeOf(secret, Date.now() + steps * STEP));
  const wrong = Array.from({ length: 110 }, (_, n) => String(100_000 + n * 1009)).filter(
    (code) => !right.includes(code),
  );
  return String(wrong[index]);
}

/** Makes the time steps that a TOTP has consumed available again, as if time had passed. */
export async function freeSteps(worker: TestWorker, { id }: Pick<Totp, "id">): Promise<void> {
  await worker.db.updateTable("factor").set({ last_step: 1 }).where("factor_id", "=", BigInt(id)).execute();
}

/** Lets a challenge expire. */
export async function expire(worker: TestWorker, challenge: string): Promise<void> {
  const { numUpdatedRows } = await worker.db
    .updateTable("challenge")
    .set({ expires_at: toSqlTime(new Date(Date.now() - 1)) })
    .where("challenge_hash", "=", digestOfChallenge(challenge))
    .executeTakeFirst();
  assert.equal(numUpdatedRows, 1n);
}

function fromBase32(text: string): Buffer {
  const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = Array.from(text, (digit) => digits.indexOf(digit).toString(2).padStart(5, "0")).join("");
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}

/** Stops the worker, and starts one with other rules in `app_config` on the same queues and database. */
export async function restartWith(
  { raw, worker }: { readonly raw: TestWorker["raw"]; readonly worker: Worker },
  app: Readonly<Record<string, unknown>>,
): Promise<Worker> {
  await worker.stop();
  const changed = { ...raw, app_config: { ...raw["app_config"], ...app } };
  const config = parseConfig(changed, { keys: true, env: {}, folder: scratchFolder });
  const next = await createWorker(config, createLogTo(new PassThrough().resume(), "error"));
  await next.start();
  return next;
}
