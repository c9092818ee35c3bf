import { accessSync, constants } from "node:fs";
import { dirname } from "node:path";
import type { Config, DbConfig } from "../../config/load.ts";
import { type DatabaseFacts, probeDatabase } from "../../db/probe.ts";
import { clockFinding } from "./clock.ts";
import { adviceOn, DEADLINE, withDeadline, isExposed, rootOf, textOf } from "./connection.ts";
import { secretFindings } from "./encryption.ts";
import { type Finding, findingsOn } from "./finding.ts";
import { MIGRATE, schemaFindings } from "./schema.ts";

const on = findingsOn("database");

/** Unpublished events older than this are reported, in milliseconds. */
const MAX_EVENT_AGE = 60_000;

/** Below this fraction of free space, a file system is reported as nearly full. */
const MIN_FREE = 0.01;

/** Checks that the database is usable, has the current schema and an administrator, and that no work is stuck in it. */
export async function databaseFindings({ db, app, events, encryption }: Config): Promise<Finding[]> {
  let facts: DatabaseFacts;
  try {
    if (db.dialect === "sqlite") checkFile(db.file);
    const limited = db.dialect === "sqlite" ? db : { ...db, timeout_ms: Math.min(db.timeout_ms, DEADLINE) };
    facts = await withDeadline(probeDatabase(limited, app.admin_group));
  } catch (error) {
    return [refused(db, error)];
  }
  const {
    product,
    version,
    ahead,
    schema,
    writeError,
    diskSpace,
    hasAdmin,
    parked,
    eventsWaitSince,
    keyUse,
  } = facts;
  const findings = [on.ok(`${product} ${version} ${place(db)}`)];
  if (db.dialect === "mysql" && isExposed(db.host, db.tls)) {
    findings.push(
      on.warn(
        "data goes to the database in clear text",
        "Set db_settings.ca_file or tls: either enables TLS.",
      ),
    );
  }
  if (db.dialect === "mysql" && !db.verify_host) {
    findings.push(
      on.warn(
        `the host name ${db.host} is not verified: any certificate of this CA is accepted`,
        "Give the server a certificate with this name, and remove db_settings.verify_host.",
      ),
    );
  }
  if (ahead !== undefined) findings.push(clockFinding(on, "the clock of the database", ahead));
  findings.push(...schemaFindings(schema, db));
  if (writeError !== undefined) findings.push(notWritable(db, writeError));
  if (diskSpace !== undefined && diskSpace.free < diskSpace.size * MIN_FREE) {
    const left = `${Math.floor(diskSpace.free / 2 ** 20)} MiB of ${Math.floor(diskSpace.size / 2 ** 20)} MiB`;
    findings.push(
      on.warn(`the file system of the database is nearly full: ${left} are free`, "Free space on it."),
    );
  }
  if (hasAdmin === true) findings.push(on.ok(`the group ${app.admin_group} has an administrator`));
  if (hasAdmin === false) {
    const advice = "Create an administrator: authmq admin create USERNAME --email ADDRESS";
    findings.push(on.warn(`the group ${app.admin_group} has no activated member`, advice));
  }
  if (
    events.publish &&
    eventsWaitSince !== undefined &&
    Date.now() - eventsWaitSince.getTime() > MAX_EVENT_AGE
  ) {
    findings.push(
      on.warn(
        `events wait to be published, the oldest since ${eventsWaitSince.toISOString()}`,
        `Start a worker; if one runs, its log says why the exchange ${events.exchange} does not accept them.`,
      ),
    );
  }
  findings.push(...secretFindings(keyUse, encryption, app));
  return [...findings, ...parked.map(parkedFinding)];
}

function parkedFinding({ queue, caller, bodyHash, parkedAt }: DatabaseFacts["parked"][number]): Finding {
  const digest = Buffer.from(bodyHash).toString("hex");
  const from = caller === "" ? "an unnamed caller" : caller;
  return on.warn(
    `poison message in ${queue}, parked at ${parkedAt} UTC, sent by ${from}`,
    `It ended a worker three times. Read the workers' logs before that time, and search for body_hash ${digest}.`,
  );
}

function place(db: DbConfig): string {
  if (db.dialect === "sqlite") return `in ${db.file}`;
  const tls = db.tls ? "TLS" : "no TLS";
  return `at ${db.host}:${db.port}, database ${db.database}, as ${db.user}, ${tls}`;
}

/** Throws if the file is missing or not writable: opening it would create it, and reads alone would succeed. */
function checkFile(file: string): void {
  accessSync(file, constants.R_OK | constants.W_OK);
  accessSync(dirname(file), constants.W_OK);
}

/** From a test write, which alone reveals a read-only server, a full disk or a missing privilege. */
function notWritable(db: DbConfig, error: unknown): Finding {
  const root = rootOf(error);
  const number = root instanceof Error && "errno" in root ? Number(root.errno) : 0;
  const advice =
    db.dialect === "sqlite"
      ? adviceOnFile(root)
      : (adviceOnRefusal(db)[number] ?? "Read the log of the database server.");
  return on.fail(`the database accepts no writes: ${textOf(error)}`, advice);
}

function refused(db: DbConfig, error: unknown): Finding {
  const root = rootOf(error);
  if (db.dialect === "sqlite") {
    if (root instanceof Error && "code" in root && root.code === "ENOENT")
      return on.fail(`there is no file ${db.file}`, `${MIGRATE} If you have run it, check db_settings.file.`);
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
    adviceOn(text, { address: "db_settings.host and port", ca, tls: ca, verifyHost: "verify_host" }),
  );
}

/** Advice by SQLite's primary result codes: 10 I/O error, 11 corrupt, 13 full, 26 not a database. */
function adviceOnFile(error: unknown): string {
  const code = error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : 0;
  if (code === 10) return "Check the disk and the system log.";
  if (code === 11) return "The file is damaged: restore it from a backup.";
  if (code === 13 || /is full/.test(textOf(error))) return "Free space on its file system.";
  if (code === 26) return "Check db_settings.file: the file is not an SQLite database, or is damaged.";
  return "The worker's user must be able to write this file and its folder.";
}

/** Advice by the error numbers that MySQL and MariaDB share. */
function adviceOnRefusal({
  user,
  database,
}: Extract<DbConfig, { dialect: "mysql" }>): Record<number, string> {
  const grant = `Grant the privileges: GRANT ALL ON \`${database}\`.* TO '${user}'@'...'`;
  const readOnly =
    "The server is read_only or super_read_only, like a replica: set db_settings.host to the server that takes writes.";
  const full = "Free space on the database server.";
  return {
    ...Object.fromEntries([1290, 1792, 1836].map((number) => [number, readOnly])),
    ...Object.fromEntries([1021, 1026, 1114].map((number) => [number, full])),
    1045: "Check db_settings.user and password, and that this user may connect from this host.",
    1698: "Check db_settings.user and password, and that this user may connect from this host.",
    1040: "The server has too many connections: raise its max_connections, or lower db_settings.pool_size.",
    1044: grant,
    1142: grant,
    1143: grant,
    1049: `Check db_settings.database, or create it: CREATE DATABASE \`${database}\``,
  };
}
