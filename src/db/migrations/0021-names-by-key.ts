import { EXACT, foldedKey } from "./folded-key.ts";
import type { Ddl, Step } from "./migration.ts";

/** Returns a row if the table has this column. */
function hasColumn(table: string, column: string): string {
  return (
    "select 1 from information_schema.columns " +
    `where table_schema = database() and table_name = '${table}' and column_name = '${column}'`
  );
}

/** Returns a row if the column no longer has the collation that ignores case. */
function isExact(table: string, column: string): string {
  return `${hasColumn(table, column)} and collation_name <> 'utf8mb4_unicode_520_ci'`;
}

function hasForeignKey(table: string, name: string): string {
  return (
    "select 1 from information_schema.referential_constraints " +
    `where constraint_schema = database() and table_name = '${table}' and constraint_name = '${name}'`
  );
}

interface Reference {
  readonly table: string;
  readonly column: string;
  readonly foreignKey: string;
  readonly type: string;
  /** Other changes in the same statement. */
  readonly also?: string;
}

/** The columns that reference `user.username`. */
const REFERENCES: readonly Reference[] = [
  { table: "token", column: "user_id", foreignKey: "token_user", type: `varchar(100) ${EXACT} not null` },
  {
    table: "usergroup",
    column: "username",
    foreignKey: "usergroup_user",
    type: `varchar(100) ${EXACT} not null`,
    // Virtual: a stored column cannot be generated from a column whose foreign key cascades.
    also: `,
  add column username_key varchar(100) ${EXACT} generated always as (${foldedKey("username")}) virtual,
  drop index usergroup_by_group,
  add index usergroup_by_group (groupname, username_key)`,
  },
  {
    table: "one_time_token",
    column: "username",
    foreignKey: "one_time_token_user",
    type: `varchar(100) ${EXACT} null`,
    also: `,
  modify email varchar(100) ${EXACT} null`,
  },
];

/** From now on names must have the spelling of the user's row. */
function respell({ table, column }: Reference): Step {
  return {
    unless: isExact(table, column),
    run: `update ${table} join \`user\` on \`user\`.username = ${table}.${column}
  set ${table}.${column} = \`user\`.username
  where cast(${table}.${column} as binary) <> cast(\`user\`.username as binary)`,
  };
}

/** Drops the foreign key while its columns change, because both sides must have the same collation. */
function dropForeignKey({ table, column, foreignKey, type, also = "" }: Reference): Step {
  return {
    unless: isExact(table, column),
    run: `alter table ${table}
  drop foreign key ${foreignKey},
  modify ${column} ${type}${also}`,
  };
}

/** Deletes rows of users that were deleted while an interrupted migration had dropped the foreign key. */
function deleteOrphans({ table, column, foreignKey }: Reference): Step {
  return {
    unless: hasForeignKey(table, foreignKey),
    run: `delete from ${table} where ${column} is not null and ${column} not in (select username from \`user\`)`,
  };
}

function addForeignKey({ table, column, foreignKey }: Reference): Step {
  return {
    unless: hasForeignKey(table, foreignKey),
    run: `alter table ${table} add constraint ${foreignKey} foreign key (${column}) references \`user\` (username) on delete cascade on update cascade`,
  };
}

const rebuildUser: Step = {
  unless: hasColumn("user", "username_key"),
  run: `alter table \`user\`
  modify username varchar(100) ${EXACT} not null,
  modify email varchar(100) ${EXACT} null,
  add column username_key varchar(100) ${EXACT} generated always as (${foldedKey("username")}) stored,
  add column email_key varchar(100) ${EXACT} generated always as (${foldedKey("email")}) stored,
  add column external_id varchar(255) character set ascii collate ascii_bin null,
  drop index email,
  add unique index user_by_username_key (username_key),
  add unique index user_by_email_key (email_key),
  add index user_by_external_id (external_id)`,
};

// Generated keys: workers of the previous version can still insert users.
export const namesByKey: Ddl = {
  mysql: [
    // No user may be deleted while the foreign keys are dropped.
    { run: "lock tables `user` write, token write, usergroup write, `group` write, one_time_token write" },
    ...REFERENCES.map(respell),
    ...REFERENCES.map(dropForeignKey),
    rebuildUser,
    ...REFERENCES.flatMap((reference) => [deleteOrphans(reference), addForeignKey(reference)]),
    { run: "unlock tables" },
  ],
  // DROP TABLE first deletes the rows, and cascades to tables that reference them. So the new tables reference the new
  // one.
  sqlite: [
    `create table user_by_key (
  username text not null primary key,
  username_key text generated always as (lower(username)) stored,
  password_hash blob null,
  auth_type text not null check (auth_type in ('LOCAL', 'LDAP', 'KERBEROS')),
  email text null,
  email_key text generated always as (lower(email)) stored,
  activated integer not null default 1,
  created_at text not null default (strftime('%Y-%m-%d %H:%M:%f', 'now')),
  modified_at text not null default (strftime('%Y-%m-%d %H:%M:%f', 'now')),
  email_verified_at text null,
  external_id text null
)`,
    `insert into user_by_key (username, password_hash, auth_type, email, activated, created_at, modified_at, email_verified_at)
  select username, password_hash, auth_type, email, activated, created_at, modified_at, email_verified_at from "user"`,
    `create table token_by_key (
  token_id integer not null primary key,
  user_id text not null unique references user_by_key (username) on delete cascade on update cascade,
  ip text not null,
  valid_until text not null,
  last_use text null,
  sign_method text not null,
  vhost text not null,
  validated_at text null
)`,
    `insert into token_by_key (token_id, user_id, ip, valid_until, last_use, sign_method, vhost, validated_at)
  select token_id, username, ip, valid_until, last_use, sign_method, vhost, validated_at
  from token join "user" on username = user_id`,
    "drop table token",
    "alter table token_by_key rename to token",
    `create table usergroup_by_key (
  username text not null references user_by_key (username) on delete cascade on update cascade,
  username_key text generated always as (lower(username)) virtual,
  groupname text not null references "group" (name) on delete cascade on update cascade,
  primary key (username, groupname)
)`,
    `insert into usergroup_by_key (username, groupname)
  select "user".username, groupname from usergroup join "user" on "user".username = usergroup.username`,
    "drop table usergroup",
    "alter table usergroup_by_key rename to usergroup",
    "create index usergroup_by_group on usergroup (groupname, username_key, username)",
    `create table one_time_token_by_key (
  token_hash blob not null primary key,
  purpose text not null,
  account_key blob not null,
  username text null references user_by_key (username) on delete cascade on update cascade,
  email text null,
  expires_at text not null
)`,
    `insert into one_time_token_by_key (token_hash, purpose, account_key, username, email, expires_at)
  select token_hash, purpose, account_key, "user".username, one_time_token.email, expires_at
  from one_time_token left join "user" on "user".username = one_time_token.username`,
    "drop table one_time_token",
    "alter table one_time_token_by_key rename to one_time_token",
    "create index one_time_token_by_expiry on one_time_token (expires_at)",
    "create index one_time_token_by_user on one_time_token (username)",
    "create index one_time_token_by_account on one_time_token (account_key)",
    'drop table "user"',
    'alter table user_by_key rename to "user"',
    'create unique index user_by_username_key on "user" (username_key)',
    'create unique index user_by_email_key on "user" (email_key)',
    'create index user_by_external_id on "user" (external_id)',
  ],
};
