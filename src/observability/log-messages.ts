/** What is known about a log message before it is written. */
export interface LogMessageFacts {
  readonly level: LogLevel;
  /** Why it is written. Names of fields stand in backticks. */
  readonly cause: string;
  /** What an operator does about it. */
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

/** Every log message of authmq, by its text, in the order of docs/operations.md. */
export const LOG_MESSAGES = {
  // Start and stop.
  ready: info("The worker consumes all queues."),
  stopping: info("The process got SIGTERM or SIGINT (`signal`). It finishes the requests that it has."),
  stopped: info("All connections are closed. `counters` has the metrics since the start."),
  "the terminal was closed: stopping": warn(
    "The process was started on a terminal, and the terminal was closed.",
    "Start `serve` with a process manager.",
  ),
  "uncaught error": fatal(
    "A bug in authmq or in a package (`err`). The process exits with 1; its requests are delivered again.",
    "Let the process manager restart the worker, and report the error.",
  ),
  "the database schema is current": info(
    "`serve --migrate` has applied the migrations in `applied`; an empty list means there were none to apply.",
  ),
  "the database schema is from a later version": warn(
    "A later version of authmq migrated the database. This version can use it. `newer` names the migrations.",
    "Finish the upgrade of all workers.",
  ),
  "a file with secrets is readable by other users": warn(
    "Other users of the host can read the configuration, a key or a keytab (`file`, `mode`).",
    "Run the command in `advice`.",
  ),
  "passwords go to the directory in clear text: use ldaps:// or start_tls": warn(
    "The connection to `server` has no TLS.",
    "Use `ldaps://` in `ldap_settings.address`, or set `ldap_settings.start_tls`.",
  ),
  "registration is open: anyone may take the name of a directory user who has not logged in yet": warn(
    "`app_config.allow_registration` is on, and a directory is configured.",
    "Turn `allow_registration` off, or accept that new directory users may find their name taken.",
  ),
  // Reload.
  "reloaded the token keys": info("After SIGHUP. `algorithm` and `key_id` describe the key that signs now."),
  "reloaded the log level": info("After SIGHUP. `log_level` is the new level, `previous` the old one."),
  "changed settings need a restart": warn(
    "After SIGHUP. The sections in `changed` differ from those that the process runs with.",
    "Restart the worker.",
  ),
  "could not reload the configuration: nothing changed": error(
    "After SIGHUP. The configuration has errors (`faults`), or cannot be read (`err`).",
    "Correct the configuration (`authmq config check`), and send SIGHUP again.",
  ),
  // Broker.
  "cannot reach the broker, trying again": warn(
    "`purpose` says which connection, `node` which broker, `err` why.",
    "Check that RabbitMQ runs and that the address is right (`authmq doctor`).",
  ),
  "the broker refuses the connection, trying again": warn(
    "RabbitMQ answered, and closed the connection (`reason`).",
    "Do what `advice` says.",
  ),
  "lost the connection to the broker": warn(
    "`purpose` says which connection, `node` which broker, `reason` or `err` why.",
    "None if it comes back. Otherwise check RabbitMQ and the network.",
  ),
  "connected to the broker again": info("The connection for `purpose` is back."),
  "the broker closed the channel": warn(
    "`queue` is not consumed for a moment (`reason` or `err`).",
    "None if it comes back. Otherwise do what `advice` says.",
  ),
  "the broker cancelled the consumer (was the queue deleted?)": warn(
    "Somebody deleted `queue`, or its node left the cluster. The worker declares it again.",
    "Find out who deleted the queue.",
  ),
  "cannot consume the queue, trying again": error(
    "The queue exists with other properties (`argument`, `wanted`, `found`), or a permission is missing.",
    "Do what `advice` says; `authmq doctor` shows all queues.",
  ),
  "the broker blocks publishing: replies wait": warn(
    "RabbitMQ has too little memory or disk space (`reason`).",
    "Do what `advice` says.",
  ),
  "the first reply to a direct reply-to address was lost": warn(
    "The caller had gone, or the address in `reply_to` was not valid.",
    "None, unless callers miss replies.",
  ),
  "could not send a message": warn(
    "A reply, an event or a log record cannot be encoded (`err`): a `reply_to` that is too long, for example.",
    "Correct the caller.",
  ),
  "could not process a delivery": error(
    "A bug in authmq (`queue`, `err`). The broker delivers the request again.",
    "Report the error.",
  ),
  // Requests.
  "a request was answered": info("One line for each request; docs/observability.md explains its fields."),
  "a request was dropped": info(
    "The request had expired or its caller had gone (`outcome`). It had no effect and got no reply.",
    "If there are many: callers time out before workers answer. Add workers.",
  ),
  "a request failed": error(
    "The reply was 500 or 503 (`queue`, `error`, `reason`, `reference`).",
    "503: see `reason`. 500: find the line with the same `reference`.",
  ),
  "unexpected error in a request": error(
    "A bug, or an error of the database that authmq does not know (`err`). The caller got the `reference`.",
    "Report the error.",
  ),
  "a request was parked: it crashed the worker three times": error(
    "Three processes ended while they had this request (`queue`, `caller`, `body_hash`). It is answered with 500.",
    "Find out why workers ended: memory, the process manager, or a bug. Report a bug.",
  ),
  "too many failed logins: further attempts are rate limited": warn(
    "Somebody guesses the password of `username`; `known: false` means that there is no such account.",
    "Find the client in the audit log. `user_unlock` lets the person in again.",
  ),
  "could not store when sessions were last used": warn(
    "The database refused the write (`reason`). `last_use` of `tokens` sessions is a second behind.",
    "None if it happens once. Otherwise check the database.",
  ),
  // Database.
  "cannot reach the database, trying again": warn(
    "At the start (`err`).",
    "Check that the database runs and that `db_settings` is right (`authmq doctor`).",
  ),
  "deleted expired rows": debug(
    "Once a minute, by one replica: old events, recorded replies, failed logins and one-time tokens (`deleted`).",
  ),
  "could not delete expired rows, trying again later": warn(
    "The database refused the statement (`reason`).",
    "None if it happens once. Otherwise check the database.",
  ),
  // Events.
  "cannot declare the events exchange": warn(
    "A permission is missing, or the exchange has another type (`exchange`, `reason`). It is used as it is.",
    "Grant `configure` on the exchange, or declare it yourself.",
  ),
  "the broker did not confirm all events, trying again": warn(
    "`waiting` events are not published yet. None is lost.",
    "Check RabbitMQ: memory, disk space, permission to write to the exchange.",
  ),
  "cannot publish events, trying again": warn(
    "The database refused a statement (`reason`). No event is lost.",
    "Check the database.",
  ),
  // Directories and Kerberos.
  "the directory refused a login": info(
    "`username`, `reason`, `detail`: see docs/directory.md.",
    "See docs/directory.md, by `reason`.",
  ),
  "the directory ended a session": info(
    "At revalidation the account was locked, disabled, gone or in no login group (`username`, `reason`).",
  ),
  "cannot reach a directory server": warn(
    "`server` does not answer (`err`). The next server in the list is used.",
    "Check the server and the network.",
  ),
  "the directory server answers again": info("`server` is used again."),
  "the directory accepts the service account again": info("`server` refused the service account before."),
  "the directory returns no entry ids: a reused login name cannot be detected": warn(
    "Neither objectGUID nor entryUUID nor nsUniqueId can be read. Written once.",
    "Let the service account read the attribute, or set `ldap_settings.id_attribute`.",
  ),
  "the directory's email was ignored: email_regex does not match it": warn(
    "The account of `username` gets a generated address.",
    "Correct the address in the directory, or `app_config.email_regex`.",
  ),
  "a directory user has no email: another account uses it": warn(
    "`mail` belongs to another account than `username`.",
    "Give one of them another address.",
  ),
  "directory groups were ignored: group_regex does not match their names, or they end with a space": warn(
    "`username` is not in the groups that `groups` lists.",
    "Rename the groups, or change `app_config.group_regex`.",
  ),
  "the KDC refused a login": info(
    "`username`, `reason`, `detail`: see docs/directory.md.",
    "See docs/directory.md, by `reason`.",
  ),
  "a Kerberos ticket was refused": info(
    "`reason`, `detail`: see docs/directory.md.",
    "See docs/directory.md, by `reason`.",
  ),
  // Health and log.
  "serving health and metrics": info("The HTTP endpoints are at `host` and `port`."),
  "health endpoint failed": error("A probe or a scrape was answered with 500 (`err`).", "Report the error."),
  "log lines were dropped: nobody read them in time": warn(
    "The process that reads stderr is too slow or hangs. `dropped` lines are lost.",
    "Check the program behind the pipe, or log to a file.",
  ),
  "the log file takes no lines: they are written here": warn(
    "The file at `path` cannot be written (`reason`). Lines go to stderr.",
    "Free disk space, or correct the permissions.",
  ),
  "the log file does not open: log lines are written here": warn(
    "The file at `path` cannot be opened. Lines go to stderr.",
    "Check the path and the permissions.",
  ),
  "the log file takes lines again: those in between are on stderr": warn(
    "The file at `path` can be written again.",
  ),
  "cannot publish log records: they are written here too": warn(
    "The log exchange does not confirm records (`reason`).",
    "Check RabbitMQ and the permission to write to the exchange.",
  ),
  "log records are published again": info("The log exchange confirms records again."),
  "cannot open the log file": error(
    "`path`, `err`. Lines go to stderr.",
    "Check the path and the permissions.",
  ),
  "log records were dropped: the broker did not take them in time": warn(
    "`dropped` records were not published. They are on stderr.",
    "Check RabbitMQ.",
  ),
} satisfies Readonly<Record<string, LogMessageFacts>>;

/** The messages that are written at a level. */
export type MessageAt<Level extends LogLevel> = {
  [Message in keyof typeof LOG_MESSAGES]: (typeof LOG_MESSAGES)[Message]["level"] extends Level
    ? Message
    : never;
}[keyof typeof LOG_MESSAGES];
