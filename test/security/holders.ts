import type { Authenticator } from "../support/authenticator.ts";
import { enrolPasskey, enrolTotp, setupTokenOf } from "../support/second-factor.ts";
import { decodePart } from "../tokens/craft.ts";
import { type AttackFixture, MUST_ENROL } from "./fixture.ts";

/** A user who has logged in. */
export interface Victim {
  readonly username: string;
  readonly sid: string;
  readonly id_token: string;
  readonly access_token: string;
}

/** Logs a new user in. */
export async function logIn(fixture: AttackFixture, groups: readonly string[] = []): Promise<Victim> {
  const person = await fixture.newUser({ groups });
  const id_token = await fixture.idToken(person);
  const { resp_data } = await fixture.ask("token", { id_token });
  const access_token = String(resp_data["access_token"]);
  return { username: person.username, sid: String(decodePart(id_token, 0)["kid"]), id_token, access_token };
}

/** An API key with its account. */
export interface ApiKey {
  readonly username: string;
  readonly id: string;
  readonly api_key: string;
}

/** A service with an API key. */
export async function keyOf(fixture: AttackFixture, groups: readonly string[] = []): Promise<ApiKey> {
  const { username } = await fixture.newUser({ authType: "SERVICE", groups });
  const request = { username, name: "attacked", access_token: await fixture.adminToken() };
  const { resp_data } = await fixture.ask("api_key_create", request);
  return { username, id: String(resp_data["id"]), api_key: String(resp_data["api_key"]) };
}

/** Exchanges an API key for an access token. */
export async function tokenOf({ ask }: AttackFixture, { api_key }: ApiKey): Promise<string> {
  return String((await ask("token", { api_key })).resp_data["access_token"]);
}

/** A user with a TOTP and a passkey. */
export interface Enrolled extends Victim {
  /** Of the TOTP. */
  readonly id: string;
  readonly secret: string;
  /** The code that confirmed the TOTP. */
  readonly usedCode: string;
  readonly recovery_codes: readonly string[];
  readonly device: Authenticator;
}

/** Logs a new user in, and enrols a TOTP and a passkey. */
export async function enrolIn(fixture: AttackFixture): Promise<Enrolled> {
  const victim = await logIn(fixture);
  const { access_token } = victim;
  const { recovery_codes = [], ...totp } = await enrolTotp(fixture.worker, { access_token });
  const { device } = await enrolPasskey(fixture.worker, { access_token });
  return { ...victim, ...totp, recovery_codes, device };
}

/** The setup token of a new user who must enrol a factor. */
export async function setupOf(
  fixture: AttackFixture,
  more: object = {},
): Promise<{ readonly username: string; readonly setup_token: string }> {
  const { username } = await fixture.newUser({ groups: [MUST_ENROL] });
  return { username, setup_token: await setupTokenOf(fixture.worker, username, more) };
}

/** What an attacker may send as the id of a session or key. */
export const GUESSED_IDS: Readonly<Record<string, string>> = {
  zero: "0",
  "a small number": "1",
  "a negative number": "-1",
  "the largest number and one": "9223372036854775808",
  "a number in hexadecimal": "0x10",
  "a number with an exponent": "1e18",
  "a leading zero": "01",
  "nothing in between": "",
  "a wildcard": "%",
  SQL: "1 or 1=1",
  "digits of another script": "\u0661\u0662\u0663",
};

/** An id in another type than text. */
export const MISTYPED_IDS: Readonly<Record<string, unknown>> = {
  "a number": 1,
  "a list": ["1"],
  "an object": { $ne: "0" },
  true: true,
};
