/** One effect of a worker's transaction, as a database trigger recorded it. */
export interface Effect {
  readonly what: string;
  /** Time in UTC: `2026-01-31 23:59:59.123`. */
  readonly at: string;
}

/** The content of the database at the end. */
export interface Holdings {
  readonly users: readonly { readonly username: string; readonly email: string }[];
  readonly groups: readonly string[];
  readonly memberships: readonly { readonly username: string; readonly groupname: string }[];
  readonly tokens: readonly { readonly username: string; readonly tokenId: string }[];
  /** Number of activated local users in the admin group. */
  readonly admins: number;
}

interface Watch {
  readonly table: string;
  readonly event: "insert" | "update" | "delete";
  /** The columns to record after `table event`, of the new or the deleted row. */
  readonly columns: readonly string[];
  /** Records only if this column changed. */
  readonly whenChanged?: string;
}

// SQLite triggers record cascading deletes; those of MariaDB and MySQL do not.
const WATCHES: readonly Watch[] = [
  { table: "user", event: "insert", columns: ["username", "email"] },
  { table: "user", event: "update", columns: ["username", "email"], whenChanged: "email" },
  { table: "user", event: "delete", columns: ["username"] },
  { table: "group", event: "insert", columns: ["name"] },
  { table: "group", event: "delete", columns: ["name"] },
  { table: "usergroup", event: "insert", columns: ["username", "groupname"] },
  { table: "usergroup", event: "delete", columns: ["username", "groupname"] },
  { table: "token", event: "insert", columns: ["user_id", "token_id"] },
  { table: "token", event: "delete", columns: ["user_id", "token_id"] },
];

/** Statements that create triggers to record all effects in a database. */
export function watchStatements(dialect: "mysql" | "sqlite"): string[] {
  const table =
    dialect === "mysql"
      ? "create table chaos_effect (id bigint auto_increment primary key, what varchar(500) not null, " +
        "at datetime(3) not null default current_timestamp(3)) engine = InnoDB default character set utf8mb4 " +
        "collate utf8mb4_bin"
      : "create table chaos_effect (id integer primary key, what text not null, " +
        "at text not null default (strftime('%Y-%m-%d %H:%M:%f', 'now')))";
  return [table, ...WATCHES.map((watch) => trigger(watch, dialect))];
}

function trigger({ table, event, columns, whenChanged }: Watch, dialect: "mysql" | "sqlite"): string {
  const quoted = dialect === "mysql" ? `\`${table}\`` : `"${table}"`;
  const row = event === "delete" ? "old" : "new";
  // Names of users and groups have different collations in MySQL.
  const textOf = (value: string): string =>
    dialect === "mysql" ? `cast(${value} as char) collate utf8mb4_bin` : value;
  const words = [`'${table} ${event}'`, ...columns.map((column) => textOf(`${row}.${column}`))];
  const text = dialect === "mysql" ? `concat_ws(' ', ${words.join(", ")})` : words.join(" || ' ' || ");
  const condition = whenChanged === undefined ? "true" : `old.${whenChanged} <> new.${whenChanged}`;
  const note = `insert into chaos_effect (what) select ${text} where ${condition}`;
  const head = `create trigger chaos_${table}_${event} after ${event} on ${quoted} for each row`;
  return dialect === "mysql"
    ? `${head} ${note.replace(" where ", " from dual where ")}`
    : `${head} begin ${note}; end`;
}
