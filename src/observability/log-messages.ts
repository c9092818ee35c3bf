/** The documentation of a log message. */
export interface LogMessageFacts {
  readonly level: LogLevel;
  /** Why it is written. Field names are in backticks. */
  readonly cause: string;
  /** What the operator should do. */
  readonly action: string;
}

/** The levels that authmq writes. */
export type LogLevel = "debug" | "info" | "warn" | "error" | "fatal";

const at =
  <Level extends LogLevel>(level: Level) =>
  (cause: string, action = "none") => ({ level, cause, action });

const debug = at("debug");
const info = at("info");
const warn = at("warn");
const error = at("error");
const fatal = at("fatal");

/** All log messages of authmq by text, in the order of docs/operations.md. */
export const LOG_MESSAGES = {
  // Start and stop.
  ready: info("The worker consumes all queues."),
  stopping: info("The process received SIGTERM or SIGINT (`signal`). It finishes its current requests."),
  stopped: info("All connections are closed. `counters` contains the counters since the start."),
  "the terminal was closed: stopping": warn(
    "`serve` was started on a terminal, and the terminal was closed.",
    "Run `serve` under a process manager.",
  ),
  "uncaught error": fatal(
    "A bug in authmq or in a package (`err`). The process exits with 1; the broker redelivers its requests.",
    "Let the process manager restart the worker, and report the error.",
  ),
  "the database schema is current": info(
    "`serve --migrate` applied the migrations in `applied`. An empty list means that none were pending.",
  ),
  "the database schema is from a later version": warn(
    "A later version of authmq applied the migrations in `newer`. This version still works with the schema.",
    "Upgrade the remaining workers.",
  ),
  "a file with secrets is readable by other users": warn(
    "Other users of the host may read the configuration, a key or a keytab (`file`, `mode`).",
    "Run the command in `advice`.",
  ),
  "passwords go to the directory in clear text: use ldaps:// or start_tls": warn(
    "The connection to `server` does not use TLS.",
    "Use `ldaps://` in `ldap_settings.address`, or set `ldap_settings.start_tls`.",
  ),
  "registration is open: anyone may take the name of a directory user who has not logged in yet": warn(
    "`app_config.allow_registration` is on, and a directory is configured.",
    "Set `allow_registration` to false, or accept that a directory user may find the username taken.",
  ),
  // Reload.
  "reloaded the token keys": info(
    "After SIGHUP. `algorithm` and `key_id` describe the new signing key, `encryption_key_id` the active encryption key.",
  ),
  "reloaded the encryption keys": info(
    "A second factor was encrypted with an unknown key, so the worker read the configuration again. " +
      "`encryption_key_id` is the active key.",
  ),
  "could not reload the encryption keys": error(
    "A second factor was encrypted with an unknown key, and the configuration has errors (`faults`), or cannot be " +
      "read (`err`).",
    "Correct the configuration (`authmq config check`). The worker tries again with the next such login.",
  ),
  "reloaded the log level": info("After SIGHUP. `log_level` is the new level, `previous` the old one."),
  "changed settings need a restart": warn(
    "After SIGHUP. The sections in `changed` differ from the running configuration.",
    "Restart the worker.",
  ),
  "could not reload the configuration: nothing changed": error(
    "After SIGHUP. The configuration has errors (`faults`), or cannot be read (`err`).",
    "Correct the configuration (`authmq config check`), and send SIGHUP again.",
  ),
  // Broker.
  "cannot reach the broker, trying again": warn(
    "The connection for `purpose` to `node` failed (`err`).",
    "Check that RabbitMQ is running and that `amqp_settings` has the right address (`authmq doctor`).",
  ),
  "the broker refuses the connection, trying again": warn(
    "RabbitMQ answered and closed the connection (`reason`).",
    "Follow the `advice`.",
  ),
  "lost the connection to the broker": warn(
    "The connection for `purpose` to `node` was closed (`reason` or `err`). The worker reconnects.",
    "None if `connected to the broker again` follows. Otherwise check RabbitMQ and the network.",
  ),
  "connected to the broker again": info("The connection for `purpose` is open again."),
  "the broker closed the channel": warn(
    "`queue` is not consumed until the worker reopens the channel (`reason` or `err`).",
    "None if it happens once. Otherwise follow the `advice`.",
  ),
  "the broker cancelled the consumer (was the queue deleted?)": warn(
    "`queue` was deleted, or its node left the cluster. The worker declares the queue again.",
    "Find out who deleted the queue.",
  ),
  "cannot consume the queue, trying again": error(
    "The queue has other properties (`argument`, `wanted`, `found`), a permission is missing (`reason`), or its home node is down.",
    "Follow the `advice` if there is one. Otherwise see the section Queues. `authmq doctor` checks all queues.",
  ),
  "the broker blocks publishing: replies wait": warn(
    "RabbitMQ is short of memory or disk space (`reason`).",
    "Follow the `advice`.",
  ),
  "the first reply to a direct reply-to address was lost": warn(
    "The caller had disconnected, or the address in `reply_to` was invalid.",
    "None, unless callers miss replies.",
  ),
  "could not send a message": warn(
    "A reply, an event or a log record cannot be encoded (`err`), for example because `reply_to` is too long.",
    "Correct the caller's `reply_to`.",
  ),
  "could not process a delivery": error(
    "A bug in authmq (`queue`, `err`). The broker redelivers the request when the channel closes.",
    "Report the error.",
  ),
  // Requests.
  "a request was answered": info("Written once for each request. docs/observability.md explains its fields."),
  "a request was dropped": info(
    "The request had expired, its caller had gone, or another worker has it (`outcome`). It got no reply.",
    "If there are many, callers time out before workers answer: add workers.",
  ),
  "a request failed": error(
    "The reply was 500 or 503 (`queue`, `error`, `reason`, `reference`).",
    "503: see `reason`. 500: find the line with the same `reference`.",
  ),
  "unexpected error in a request": error(
    "A bug, or an unknown database error (`err`). The caller got the `reference`.",
    "Report the error.",
  ),
  "a request was parked: it crashed the worker three times": error(
    "Three processes crashed while they processed this request (`queue`, `caller`, `body_hash`). It gets a 500.",
    "Find out why the workers crashed: memory, the process manager, or a bug. Report a bug.",
  ),
  "too many failed logins: further attempts are rate limited": warn(
    "A client may be guessing the password of `username`. `known: false` means that the account does not exist.",
    "Find the client in the audit log. Call `user_unlock` to unlock the account.",
  ),
  "could not store when sessions or API keys were last used": warn(
    "The database rejected the write (`reason`). `last_use` of `rows` sessions or API keys is out of date until their next use.",
    "None if it happens once. Otherwise check the database.",
  ),
  // Database.
  "cannot reach the database, trying again": warn(
    "The worker starts and cannot connect to the database (`err`).",
    "Check that the database is running and that `db_settings` is right (`authmq doctor`).",
  ),
  "deleted expired rows": debug(
    "Once a minute, by one replica: old events, recorded replies, failed logins, one-time tokens (`deleted`).",
  ),
  "could not delete expired rows, trying again later": warn(
    "The database rejected the statement (`reason`).",
    "None if it happens once. Otherwise check the database.",
  ),
  // Events.
  "cannot declare the events exchange": warn(
    "A permission is missing, or the exchange has another type (`exchange`, `reason`). It is used if it exists.",
    "Grant the `configure` permission on the exchange, or declare it as a durable topic exchange.",
  ),
  "the broker did not confirm all events, trying again": warn(
    "`waiting` events are not published yet. No event is lost.",
    "Check RabbitMQ: memory, disk space, the `write` permission on the exchange, full queues.",
  ),
  "cannot publish events, trying again": warn(
    "The database rejected a statement (`reason`). No event is lost.",
    "Check the database.",
  ),
  // Directories and Kerberos.
  "the directory refused a login": info(
    "The directory rejected `username` (`reason`, `detail`).",
    "Find the `reason` in docs/directory.md.",
  ),
  "the directory refused a login with a passkey": info(
    "The directory no longer lets the user (`username`) log in, for the `reason` of the table of refusals.",
  ),
  "the directory ended a session": info(
    "At revalidation the account was locked, disabled, deleted or in no login group (`username`, `reason`).",
  ),
  "cannot reach a directory server": warn(
    "`server` does not answer (`err`). The worker tries the next server in the list.",
    "Check the server and the network.",
  ),
  "the directory server answers again": info("The worker uses `server` again."),
  "the directory accepts the service account again": info("`server` had rejected the service account."),
  "the directory returns no entry ids: a reused login name cannot be detected": warn(
    "The service account cannot read objectGUID, entryUUID or nsUniqueId. Written once.",
    "Let the service account read the attribute, or set `ldap_settings.id_attribute`.",
  ),
  "the directory's email was ignored: email_regex does not match it": warn(
    "The account `username` gets a generated address.",
    "Correct the address in the directory, or `app_config.email_regex`.",
  ),
  "a directory user has no email: another account uses it": warn(
    "The account of `username` has no email, because another account has the address `mail`.",
    "Change one of the two addresses.",
  ),
  "directory groups were ignored: group_regex does not match their names, or they end with a space": warn(
    "`username` does not become a member of the groups in `groups`.",
    "Rename the groups, or change `app_config.group_regex`.",
  ),
  "the KDC refused a login": info(
    "The KDC rejected `username` (`reason`, `detail`).",
    "Find the `reason` in docs/directory.md.",
  ),
  "a Kerberos ticket was refused": info(
    "A login with a Kerberos ticket was rejected (`reason`, `detail`).",
    "Find the `reason` in docs/directory.md.",
  ),
  // Health and log.
  "serving health and metrics": info("The HTTP endpoints are at `host` and `port`."),
  "health endpoint failed": error("A probe or a scrape got a 500 (`err`).", "Report the error."),
  "log lines were dropped: nobody read them in time": warn(
    "The process that reads stderr was too slow or hung. `dropped` lines are lost.",
    "Check the program that reads stderr, or log to a file.",
  ),
  "the log file takes no lines: they are written here": warn(
    "The file `path` cannot be written (`reason`). Lines go to stderr.",
    "Free disk space, or correct the permissions.",
  ),
  "the log file does not open: log lines are written here": warn(
    "Opening the file `path` takes longer than two seconds. Lines go to stderr until it is open.",
    "Check the file system of the path.",
  ),
  "the log file takes lines again: those in between are on stderr": warn(
    "The file `path` can be written again.",
  ),
  "cannot publish log records: they are written here too": warn(
    "The broker does not confirm log records (`reason`).",
    "Check RabbitMQ, the log exchange and the `write` permission on it.",
  ),
  "log records are published again": info("The broker confirms log records again."),
  "cannot open the log file": error(
    "The file `path` cannot be opened (`err`). Lines go to stderr.",
    "Check the path and the permissions.",
  ),
  "log records were dropped: the broker did not take them in time": warn(
    "`dropped` records were not published; stderr has them.",
    "Check that RabbitMQ is running and confirms messages.",
  ),
} satisfies Readonly<Record<string, LogMessageFacts>>;

/** The messages that are written at a level. */
export type MessageAt<Level extends LogLevel> = {
  [Message in keyof typeof LOG_MESSAGES]: (typeof LOG_MESSAGES)[Message]["level"] extends Level
    ? Message
    : never;
}[keyof typeof LOG_MESSAGES];
