import { accessSync, constants } from "node:fs";
import { dirname } from "node:path";
import type { Config, DbConfig } from "../../config/load.ts";
import { type DatabaseFacts, probeDatabase } from "../../db/probe.ts";
import { clockFinding } from "./clock.ts";
import { adviceOn, DEADLINE, inTime, isExposed, rootOf, textOf } from "./connection.ts";
import { type Finding, findingsOn } from "./finding.ts";
import { MIGRATE, schemaFindings } from "./schema.ts";

const on = findingsOn("database");
/** An event that is older than this should have been published, in milliseconds. */
const LATE = 60_000;

/** A file system with less than this part of it free is nearly full. */
const SCARCE = 0.01;

/** Whether the database can be used, is at the current schema, and knows an administrator. */
export async function databaseFindings({ db, app, events }: Config): Promise<Finding[]> {
  let facts: DatabaseFacts;
  try {
    if (db.dialect === "sqlite") checkFile(db.file);
    const limited = db.dialect === "sqlite" ? db : { ...db, timeout_ms: Math.min(db.timeout_ms, DEADLINE) };
    facts = await inTime(probeDatabase(limited, app.admin_group));
  } catch (error) {
    return [refused(db, error)];
  }
  const { product, version, ahead, schema, writeError, diskSpace, hasAdmin, parked, eventsWaitSince } = facts;
  const findings = [on.ok(`${product} ${version} ${place(db)}`)];
  if (db.dialect === "mysql" && isExposed(db.host, db.tls)) {
    findings.push(
      on.warn("the database is asked in clear text", "Set db_settings.ca_file or tls: either turns TLS on."),
    );
  }
  if (ahead !== undefined) findings.push(clockFinding(on, "the database's clock", ahead));
  findings.push(...schemaFindings(schema, db));
  if (writeError !== undefined) findings.push(notWritable(db, writeError));
  if (diskSpace !== undefined && diskSpace.free < diskSpace.size * SCARCE) {
    const left = `${Math.floor(diskSpace.free / 2 ** 20)} MiB of ${Math.floor(diskSpace.size / 2 ** 20)} MiB`;
    findings.push(
      on.warn(`the file system of the database is nearly full: ${left} are free`, "Free space on it."),
    );
  }
  if (hasAdmin === true) findings.push(on.ok(`the group ${app.admin_group} has an administrator`));
  if (hasAdmin === false) {
    const advice = "Make one: authmq admin create USERNAME --email ADDRESS";
    findings.push(on.warn(`nobody who is activated is in the group ${app.admin_group}`, advice));
  }
  if (events.publish && eventsWaitSince !== undefined && Date.now() - eventsWaitSince.getTime() > LATE) {
    findings.push(
      on.warn(
        `events wait to be published, the oldest since ${eventsWaitSince.toISOString()}`,
        `Start a worker; where one runs, its log tells why the exchange ${events.exchange} takes none.`,
      ),
    );
  }
  return [...findings, ...parked.map(parkedFinding)];
}

function parkedFinding({ queue, caller, bodyHash, parkedAt }: DatabaseFacts["parked"][number]): Finding {
  const digest = Buffer.from(bodyHash).toString("hex");
  const from = caller === "" ? "nobody who gave a name" : caller;
  return on.warn(
    `a request was given up at ${parkedAt} UTC: ${queue}, sent by ${from}`,
    `It ended a worker three times. Look in the workers' logs before that moment, and for body_hash ${digest}.`,
  );
}

function place(db: DbConfig): string {
  if (db.dialect === "sqlite") return `in ${db.file}`;
  const tls = db.tls ? "TLS" : "no TLS";
  return `at ${db.host}:${db.port}, database ${db.database}, as ${db.user}, ${tls}`;
}

/** Opening a file would make it; and a file that can only be read is found out at the first login. */
function checkFile(file: string): void {
  accessSync(file, constants.R_OK | constants.W_OK);
  accessSync(dirname(file), constants.W_OK);
}

/** Nothing but a write shows that a server is read-only, a disk full, or a right missing. */
function notWritable(db: DbConfig, error: unknown): Finding {
  const root = rootOf(error);
  const number = root instanceof Error && "errno" in root ? Number(root.errno) : 0;
  const advice =
    db.dialect === "sqlite"
      ? adviceOnFile(root)
      : (adviceOnRefusal(db)[number] ?? "Look into the server's own log.");
  return on.fail(`the database takes no writes: ${textOf(error)}`, advice);
}

function refused(db: DbConfig, error: unknown): Finding {
  const root = rootOf(error);
  if (db.dialect === "sqlite") {
    if (root instanceof Error && "code" in root && root.code === "ENOENT")
      return on.fail(`there is no file ${db.file}`, `${MIGRATE} Where it has run: check db_settings.file.`);
    return on.fail(`cannot use ${db.file}: ${textOf(error)}`, adviceOnFile(root));
  }
  const address = `${db.host}:${db.port}`;
  const text = textOf(error, address);
  const number = root instanceof Error && "errno" in root ? Number(root.errno) : 0;
  const advice = adviceOnRefusal(db)[number];
  if (advice !== undefined) return on.fail(`${address} refuses: ${text}`, advice);
  const ca = "db_settings.ca_file";
  return on.fail(
    `cannot reach ${address}: ${text}`,
    adviceOn(text, { address: "db_settings.host and port", ca, tls: ca }),
  );
}

/** By SQLite's primary result codes: I/O, corrupt, full, not a database. */
function adviceOnFile(error: unknown): string {
  const code = error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : 0;
  if (code === 10) return "Check the disk, and what the system's log says about it.";
  if (code === 11) return "The file is damaged: restore it from a backup.";
  if (code === 13 || /is full/.test(textOf(error))) return "Free space on its file system.";
  if (code === 26)
    return "Check db_settings.file: it names a file that SQLite did not make, or a damaged one.";
  return "The worker's user must be able to write this file, and beside it in its folder.";
}

/** By the error numbers that MySQL and MariaDB share. */
function adviceOnRefusal({
  user,
  database,
}: Extract<DbConfig, { dialect: "mysql" }>): Record<number, string> {
  const grant = `Give it rights: GRANT ALL ON \`${database}\`.* TO '${user}'@'...'`;
  const readOnly =
    "It is set read_only or super_read_only, as a replica is: db_settings.host must lead to the server that takes writes.";
  const full = "Free space on the database server.";
  return {
    ...Object.fromEntries([1290, 1792, 1836].map((number) => [number, readOnly])),
    ...Object.fromEntries([1021, 1026, 1114].map((number) => [number, full])),
    1045: "Check db_settings.user and password, and that this user may come from this host.",
    1698: "Check db_settings.user and password, and that this user may come from this host.",
    1040: "The server has too many connections: raise its max_connections, or lower db_settings.pool_size.",
    1044: grant,
    1142: grant,
    1143: grant,
    1049: `Check db_settings.database, or make it: CREATE DATABASE \`${database}\``,
  };
}
