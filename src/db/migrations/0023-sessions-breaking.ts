import { EXACT } from "./folded-key.ts";
import type { Ddl } from "./migration.ts";

const column = (table: string, name: string): string =>
  "select 1 from information_schema.columns " +
  `where table_schema = database() and table_name = '${table}' and column_name = '${name}'`;

const AUTH_TYPES = "auth_type in ('LOCAL', 'LDAP', 'KERBEROS', 'SERVICE')";

// Breaking: earlier versions replace "the" row of a user, and would read any of several sessions.
export const sessions: Ddl = {
  mysql: [
    {
      unless: column("token", "created_at"),
      run: `alter table token
  add column created_at datetime(3) null,
  add column client varchar(100) ${EXACT} null,
  drop index user_id,
  add index token_by_user (user_id),
  add index token_by_expiry (valid_until)`,
    },
    // The login of an existing session is not known: its first token or this migration is the closest.
    { run: "update token set created_at = coalesce(last_use, utc_timestamp(3)) where created_at is null" },
    {
      unless: `${column("token", "created_at")} and is_nullable = 'NO'`,
      run: "alter table token modify created_at datetime(3) not null",
    },
    {
      // The check of the column has the column's name on MariaDB, and a generated name on MySQL.
      unless:
        "select 1 from information_schema.table_constraints " +
        "where constraint_schema = database() and table_name = 'user' and constraint_name = 'user_auth_type'",
      run: `alter table \`user\`
  /*!80017 drop check user_chk_1, */
  modify auth_type varchar(16) not null,
  add constraint user_auth_type check (${AUTH_TYPES}),
  add column last_login_at datetime(3) null`,
    },
  ],
  // Only a new table can have another check. As in 0021, the tables that reference it are created again.
  sqlite: [
    `create table user_next (
  username text not null primary key,
  username_key text generated always as (lower(username)) stored,
  password_hash blob null,
  auth_type text not null constraint user_auth_type check (${AUTH_TYPES}),
  email text null,
  email_key text generated always as (lower(email)) stored,
  activated integer not null default 1,
  created_at text not null default (strftime('%Y-%m-%d %H:%M:%f', 'now')),
  modified_at text not null default (strftime('%Y-%m-%d %H:%M:%f', 'now')),
  email_verified_at text null,
  external_id text null,
  last_login_at text null
)`,
    `insert into user_next (username, password_hash, auth_type, email, activated, created_at, modified_at, email_verified_at, external_id)
  select username, password_hash, auth_type, email, activated, created_at, modified_at, email_verified_at, external_id from "user"`,
    `create table token_next (
  token_id integer not null primary key,
  user_id text not null references user_next (username) on delete cascade on update cascade,
  ip text not null,
  valid_until text not null,
  last_use text null,
  sign_method text not null,
  vhost text not null,
  validated_at text null,
  created_at text not null,
  client text null
)`,
    `insert into token_next (token_id, user_id, ip, valid_until, last_use, sign_method, vhost, validated_at, created_at)
  select token_id, user_id, ip, valid_until, last_use, sign_method, vhost, validated_at,
    coalesce(last_use, strftime('%Y-%m-%d %H:%M:%f', 'now')) from token`,
    "drop table token",
    "alter table token_next rename to token",
    "create index token_by_user on token (user_id)",
    "create index token_by_expiry on token (valid_until)",
    `create table usergroup_next (
  username text not null references user_next (username) on delete cascade on update cascade,
  username_key text generated always as (lower(username)) virtual,
  groupname text not null references "group" (name) on delete cascade on update cascade,
  primary key (username, groupname)
)`,
    "insert into usergroup_next (username, groupname) select username, groupname from usergroup",
    "drop table usergroup",
    "alter table usergroup_next rename to usergroup",
    "create index usergroup_by_group on usergroup (groupname, username_key, username)",
    `create table one_time_token_next (
  token_hash blob not null primary key,
  purpose text not null,
  account_key blob not null,
  username text null references user_next (username) on delete cascade on update cascade,
  email text null,
  expires_at text not null
)`,
    `insert into one_time_token_next (token_hash, purpose, account_key, username, email, expires_at)
  select token_hash, purpose, account_key, username, email, expires_at from one_time_token`,
    "drop table one_time_token",
    "alter table one_time_token_next rename to one_time_token",
    "create index one_time_token_by_expiry on one_time_token (expires_at)",
    "create index one_time_token_by_user on one_time_token (username)",
    "create index one_time_token_by_account on one_time_token (account_key)",
    'drop table "user"',
    'alter table user_next rename to "user"',
    'create unique index user_by_username_key on "user" (username_key)',
    'create unique index user_by_email_key on "user" (email_key)',
    'create index user_by_external_id on "user" (external_id)',
  ],
};
