import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { folderWith, runCli } from "../support/cli.ts";
import { dataOf } from "../support/replies.ts";
import {
  challengeOf,
  enrolTotp,
  newUser,
  nextCodeOf,
  secondFactors,
  setupTokenOf,
  PASSWORD,
} from "../support/second-factor.ts";
import { DATABASES, startWorker, type TestWorker } from "../support/worker.ts";

/** Every table of the database as text; bytes in hexadecimal digits and as text. */
async function tablesOf({ db, raw }: TestWorker): Promise<Map<string, string>> {
  const names =
    raw["db_settings"]?.["dialect"] === "mysql"
      ? sql<{
          name: string;
        }>`select table_name as name from information_schema.tables where table_schema = database()`
      : sql<{ name: string }>`select name from sqlite_schema where type = 'table'`;
  const tables = new Map<string, string>();
  for (const { name } of (await names.execute(db)).rows) {
    const { rows } = await sql<Record<string, unknown>>`select * from ${sql.table(name)}`.execute(db);
    tables.set(name, rows.map((row) => Object.values(row).map(asText).join(" ")).join("\n"));
  }
  return tables;
}

function asText(value: unknown): string {
  if (!(value instanceof Uint8Array)) return String(value);
  const bytes = Buffer.from(value);
  return `${bytes.toString("hex")} ${bytes.toString("latin1")}`;
}

/** A base32 secret and its bytes, as they may be written. */
function formsOf(base32: string): string[] {
  const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = Array.from(base32, (digit) => digits.indexOf(digit).toString(2).padStart(5, "0")).join("");
  const bytes = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  return [base32, bytes.toString("hex"), bytes.toString("base64"), bytes.toString("latin1")];
}

for (const database of DATABASES) {
  test(`exports, events, the log, the inbox and all other tables of ${database} contain no secret of a factor`, async () => {
    const config = secondFactors({ second_factor_groups: ["billing"] });
    await using worker = await startWorker({ database, config });
    const { access_token } = await newUser(worker, "alice");
    const totp = await enrolTotp(worker, { access_token });
    await worker.addUser("bobby", PASSWORD, { groups: ["billing"] });
    const setup_token = await setupTokenOf(worker, "bobby");
    const enrolled = await enrolTotp(worker, { setup_token });
    const open = await challengeOf(worker, "alice");
    const answered = await challengeOf(worker, "alice");
    const { challenge } = answered;
    dataOf(await worker.call("login_continue", { challenge, totp: nextCodeOf(totp.secret) }));
    const { recovery_codes: renewed } = dataOf(await worker.call("recovery_codes_renew", { access_token }));

    const codes = [totp.recovery_codes, enrolled.recovery_codes, renewed as string[]].flatMap(
      (some) => some ?? [],
    );
    assert.equal(codes.length, 30);
    const secrets = [
      ...formsOf(totp.secret),
      ...formsOf(enrolled.secret),
      ...codes.flatMap((code) => [code, code.replaceAll("-", "")]),
      ...[setup_token, open.challenge, challenge],
      // An idempotent replay signs the token again: not even its signature is stored.
      ...[setup_token.split(".").at(-1) ?? setup_token, enrolled.id_token ?? setup_token],
    ];
    const cwd = folderWith(worker.raw);
    const written = await tablesOf(worker);
    for (const table of ["event", "rpc_inbox", "factor", "recovery_code", "challenge"])
      assert.notEqual(written.get(table) ?? "", "", `the table ${table} is empty`);
    written.set("the log", worker.log.join(""));
    for (const format of ["csv", "jsonl"]) {
      const { code, stdout, stderr } = await runCli(
        ["users", "export", "--format", format, "--with-hashes"],
        { cwd },
      );
      assert.equal(code, 0, stderr);
      assert.match(stdout, /alice/);
      assert.doesNotMatch(stdout, /totp|factor|recovery/i);
      written.set(`the export as ${format}`, stdout + stderr);
    }
    for (const [place, text] of written)
      for (const [index, secret] of secrets.entries())
        assert.ok(!text.includes(secret), `${place} contains secret ${index} of ${secrets.length}`);
  });
}
