/**
 * Records of the processes of a test run for the search at its end (see verdict.ts): the secrets that they have seen,
 * and everything that authmq wrote. Functions write to disk before they return, so a crash loses nothing; outside of a
 * test run they do nothing.
 */
import { appendFileSync, linkSync, mkdirSync, openSync, readlinkSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";

/** The kind of a secret, which the report prints instead of the secret. */
export type SecretKind = "password" | "token" | "ticket" | "hash" | "key" | "factor";

/** One line in the file of secrets. */
export interface SecretNote {
  readonly kind: SecretKind;
  readonly value: string;
  /** The test file that has seen it. */
  readonly seenBy: string;
}

/** The files in the folder of records. */
export const SECRETS = "secrets.jsonl";
export const NAMES = "names.jsonl";
export const WRITTEN = "written";

const folder = process.env["AUTHMQ_TEST_NOTES"];
const testFile = (process.argv[1] ?? "-").replace(`${process.cwd()}/`, "");
const seen = new Set<string>();
const files = new Map<string, number>();

const KINDS: Readonly<Record<string, SecretKind | "name">> = {
  ...{ password: "password", password_confirm: "password", bind_password: "password" },
  ...{ id_token: "token", access_token: "token", broker_token: "token", api_key: "token" },
  ...{ setup_token: "token", challenge: "factor", secret: "factor", recovery_code: "factor" },
  ...{ kerberos_ticket: "ticket" },
  ...{ username: "name", user: "name", groupname: "name", email: "name" },
};
const FIELD = new RegExp(`"(${Object.keys(KINDS).join("|")})"\\s*:\\s*("(?:[^"\\\\]|\\\\.)*")`, "gs");

const RECOVERY_CODES = /"recovery_codes"\s*:\s*\[([^\]]*)\]/g;

/** Fields of replies that contain secrets by design. */
const SECRETS_IN_REPLIES =
  /"(id_token|access_token|broker_token|api_key|kerberos_ticket|setup_token|challenge|secret|uri)":"[^"]*"/g;

/** Only this part of a text is searched for secrets: oversized requests consist of filler. */
const LOOKED_AT = 256 * 1024;

/** Records a secret. */
export function noteSecret(kind: SecretKind, value: string): void {
  const key = `${kind} ${value}`;
  if (folder === undefined || seen.has(key)) return;
  seen.add(key);
  const note: SecretNote = { kind, value, seenBy: testFile };
  appendFileSync(join(folder, SECRETS), `${JSON.stringify(note)}\n`);
}

/** Records a word that is not secret, even if it is also used as a password. */
export function noteName(value: string): void {
  const key = `name ${value}`;
  if (folder === undefined || seen.has(key)) return;
  seen.add(key);
  appendFileSync(join(folder, NAMES), `${JSON.stringify(value)}\n`);
}

/** Records the secrets and names in a request or reply, which may be malformed. */
export function noteMessage(message: string | Uint8Array): void {
  if (folder === undefined) return;
  const text =
    typeof message === "string" ? message.slice(0, LOOKED_AT) : textOf(message.subarray(0, LOOKED_AT));
  for (const [, field = "", literal = ""] of text.matchAll(FIELD)) {
    const kind = KINDS[field];
    const value = unquoted(literal);
    if (kind === "name") noteName(value);
    else if (kind !== undefined) noteSecret(kind, value);
  }
  for (const [, list = ""] of text.matchAll(RECOVERY_CODES))
    for (const [, code = ""] of list.matchAll(/"([^"]*)"/g)) noteSecret("factor", code);
}

/** Records a worker's reply: its secrets, and its text without the tokens that it contains by design. */
export function noteReply(reply: Uint8Array): void {
  noteMessage(reply);
  const text = textOf(reply)
    .replaceAll(SECRETS_IN_REPLIES, '"$1":"..."')
    .replaceAll(RECOVERY_CODES, '"recovery_codes":[]');
  noteWritten("replies", `${text}\n`);
}

/** Records the secrets in a configuration of any form. */
export function noteConfig(config: unknown): void {
  if (folder === undefined || typeof config !== "object" || config === null) return;
  for (const [key, value] of Object.entries(config)) {
    if (isKey(key, value)) noteKey(value);
    else if (typeof value === "object") noteConfig(value);
    else if (KINDS[key] === "name") noteName(String(value));
    else if (KINDS[key] !== undefined) noteSecret(KINDS[key], String(value));
  }
}

/** Records output of authmq; `place` describes it and becomes part of a file name. */
export function noteWritten(place: string, written: string | Uint8Array): void {
  if (folder === undefined) return;
  let file = files.get(place);
  if (file === undefined) {
    file = openSync(pathOf(place), "a");
    files.set(place, file);
  }
  writeSync(file, typeof written === "string" ? Buffer.from(written) : written);
}

/** Records the present and future content of the file behind this descriptor, even if the file is deleted. */
export function noteFile(place: string, descriptor: number): void {
  if (folder === undefined || process.platform !== "linux") return; // needs /proc
  const path = readlinkSync(`/proc/self/fd/${descriptor}`);
  try {
    const file = statSync(path);
    // A FIFO stores nothing, and opening it for reading would wait for a writer.
    if (file.isFile()) linkSync(path, pathOf(`${place} ${file.ino}`));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/** Whether this is a secret in the form of the configuration. */
function isKey(name: string, value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  return name === "secret" || ("type" in value && "value" in value);
}

/** Records a key in any form, except public keys and files. */
function noteKey({ type, value, secret: passphrase }: Record<string, unknown>): void {
  if (typeof passphrase === "string") noteSecret("password", passphrase);
  if (typeof value !== "string" || type === "keyfile") return;
  const isEncoded = type === "base64plain" || type === "base64key";
  const bytes = Buffer.from(value, isEncoded ? "base64" : "utf8");
  if (bytes.includes("PUBLIC KEY-----") && !bytes.includes("PRIVATE KEY-----")) return;
  noteSecret("key", value);
  if (isEncoded) noteSecret("key", bytes.toString("latin1"));
}

function pathOf(place: string): string {
  const written = join(folder ?? "", WRITTEN);
  mkdirSync(written, { recursive: true });
  return join(written, `${testFile.replaceAll("/", "-")} ${process.pid} ${place.replaceAll("/", "-")}`);
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}

function unquoted(literal: string): string {
  try {
    return JSON.parse(literal) as string;
  } catch {
    return literal.slice(1, -1);
  }
}
