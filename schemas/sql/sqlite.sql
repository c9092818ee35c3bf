-- 0001-user
create table "user" (
  username text collate nocase not null primary key,
  password_hash blob null,
  auth_type text not null check (auth_type in ('LOCAL', 'LDAP', 'KERBEROS')),
  email text collate nocase not null unique,
  activated integer not null default 1,
  created_at text not null default (strftime('%Y-%m-%d %H:%M:%f', 'now')),
  modified_at text not null default (strftime('%Y-%m-%d %H:%M:%f', 'now'))
);

-- 0002-token
create table token (
  token_id integer not null primary key,
  user_id text collate nocase not null unique references "user" (username) on delete cascade on update cascade,
  ip text not null,
  valid_until text not null,
  last_use text null,
  sign_method text not null,
  vhost text not null
);

-- 0003-group
create table "group" (
  name text not null primary key
);

-- 0004-usergroup
create table usergroup (
  username text collate nocase not null references "user" (username) on delete cascade on update cascade,
  groupname text not null references "group" (name) on delete cascade on update cascade,
  primary key (username, groupname)
);

-- 0005-usergroup-by-group
create index usergroup_by_group on usergroup (groupname, username);

-- 0006-token-validated-at
alter table token add column validated_at text null;

-- 0007-rpc-inbox
create table rpc_inbox (
  request_key blob not null primary key,
  message_key blob null,
  body_hash blob not null,
  queue text not null,
  caller text not null,
  redelivered integer not null,
  resp_code integer not null,
  resp_data text not null,
  created_at text not null
);

-- 0008-rpc-inbox-by-age
create index rpc_inbox_by_age on rpc_inbox (created_at);

-- 0009-rpc-attempt
create table rpc_attempt (
  message_key blob not null primary key,
  body_hash blob not null,
  queue text not null,
  caller text not null,
  attempts integer not null,
  created_at text not null,
  parked_at text null
);

-- 0010-lease
create table lease (
  name text not null primary key,
  held_until text not null
);

-- 0011-login-throttle
create table login_throttle (
  account_key blob not null primary key,
  version integer not null,
  sources text not null,
  expires_at text not null
);

-- 0012-login-throttle-by-expiry
create index login_throttle_by_expiry on login_throttle (expires_at);

-- 0013-event
create table event (
  seq integer primary key autoincrement,
  id text not null unique,
  type text not null,
  username text collate nocase null,
  actor text null,
  data text not null,
  created_at text not null,
  published_at text null
);

-- 0014-event-by-publication
create index event_by_publication on event (published_at);

-- 0015-event-by-user
create index event_by_user on event (username);

-- 0016-one-time-token
create table one_time_token (
  token_hash blob not null primary key,
  purpose text not null,
  account_key blob not null,
  username text collate nocase null references "user" (username) on delete cascade on update cascade,
  email text collate nocase null,
  expires_at text not null
);

-- 0017-one-time-token-by-expiry
create index one_time_token_by_expiry on one_time_token (expires_at);

-- 0018-one-time-token-by-user
create index one_time_token_by_user on one_time_token (username);

-- 0019-one-time-token-by-account
create index one_time_token_by_account on one_time_token (account_key);

-- 0020-user-email-verified-at
alter table "user" add column email_verified_at text null;

-- 0021-names-by-key
create table user_by_key (
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
);
insert into user_by_key (username, password_hash, auth_type, email, activated, created_at, modified_at, email_verified_at)
  select username, password_hash, auth_type, email, activated, created_at, modified_at, email_verified_at from "user";
create table token_by_key (
  token_id integer not null primary key,
  user_id text not null unique references user_by_key (username) on delete cascade on update cascade,
  ip text not null,
  valid_until text not null,
  last_use text null,
  sign_method text not null,
  vhost text not null,
  validated_at text null
);
insert into token_by_key (token_id, user_id, ip, valid_until, last_use, sign_method, vhost, validated_at)
  select token_id, username, ip, valid_until, last_use, sign_method, vhost, validated_at
  from token join "user" on username = user_id;
drop table token;
alter table token_by_key rename to token;
create table usergroup_by_key (
  username text not null references user_by_key (username) on delete cascade on update cascade,
  username_key text generated always as (lower(username)) virtual,
  groupname text not null references "group" (name) on delete cascade on update cascade,
  primary key (username, groupname)
);
insert into usergroup_by_key (username, groupname)
  select "user".username, groupname from usergroup join "user" on "user".username = usergroup.username;
drop table usergroup;
alter table usergroup_by_key rename to usergroup;
create index usergroup_by_group on usergroup (groupname, username_key, username);
create table one_time_token_by_key (
  token_hash blob not null primary key,
  purpose text not null,
  account_key blob not null,
  username text null references user_by_key (username) on delete cascade on update cascade,
  email text null,
  expires_at text not null
);
insert into one_time_token_by_key (token_hash, purpose, account_key, username, email, expires_at)
  select token_hash, purpose, account_key, "user".username, one_time_token.email, expires_at
  from one_time_token left join "user" on "user".username = one_time_token.username;
drop table one_time_token;
alter table one_time_token_by_key rename to one_time_token;
create index one_time_token_by_expiry on one_time_token (expires_at);
create index one_time_token_by_user on one_time_token (username);
create index one_time_token_by_account on one_time_token (account_key);
drop table "user";
alter table user_by_key rename to "user";
create unique index user_by_username_key on "user" (username_key);
create unique index user_by_email_key on "user" (email_key);
create index user_by_external_id on "user" (external_id);

-- 0022-event-username-key
alter table event add column username_key text generated always as (lower(username)) virtual;
drop index event_by_user;
create index event_by_user on event (username_key);

-- 0023-sessions-breaking
create table user_next (
  username text not null primary key,
  username_key text generated always as (lower(username)) stored,
  password_hash blob null,
  auth_type text not null constraint user_auth_type check (auth_type in ('LOCAL', 'LDAP', 'KERBEROS', 'SERVICE')),
  email text null,
  email_key text generated always as (lower(email)) stored,
  activated integer not null default 1,
  created_at text not null default (strftime('%Y-%m-%d %H:%M:%f', 'now')),
  modified_at text not null default (strftime('%Y-%m-%d %H:%M:%f', 'now')),
  email_verified_at text null,
  external_id text null,
  last_login_at text null
);
insert into user_next (username, password_hash, auth_type, email, activated, created_at, modified_at, email_verified_at, external_id)
  select username, password_hash, auth_type, email, activated, created_at, modified_at, email_verified_at, external_id from "user";
create table token_next (
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
);
insert into token_next (token_id, user_id, ip, valid_until, last_use, sign_method, vhost, validated_at, created_at)
  select token_id, user_id, ip, valid_until, last_use, sign_method, vhost, validated_at,
    coalesce(last_use, strftime('%Y-%m-%d %H:%M:%f', 'now')) from token;
drop table token;
alter table token_next rename to token;
create index token_by_user on token (user_id);
create index token_by_expiry on token (valid_until);
create table usergroup_next (
  username text not null references user_next (username) on delete cascade on update cascade,
  username_key text generated always as (lower(username)) virtual,
  groupname text not null references "group" (name) on delete cascade on update cascade,
  primary key (username, groupname)
);
insert into usergroup_next (username, groupname) select username, groupname from usergroup;
drop table usergroup;
alter table usergroup_next rename to usergroup;
create index usergroup_by_group on usergroup (groupname, username_key, username);
create table one_time_token_next (
  token_hash blob not null primary key,
  purpose text not null,
  account_key blob not null,
  username text null references user_next (username) on delete cascade on update cascade,
  email text null,
  expires_at text not null
);
insert into one_time_token_next (token_hash, purpose, account_key, username, email, expires_at)
  select token_hash, purpose, account_key, username, email, expires_at from one_time_token;
drop table one_time_token;
alter table one_time_token_next rename to one_time_token;
create index one_time_token_by_expiry on one_time_token (expires_at);
create index one_time_token_by_user on one_time_token (username);
create index one_time_token_by_account on one_time_token (account_key);
drop table "user";
alter table user_next rename to "user";
create unique index user_by_username_key on "user" (username_key);
create unique index user_by_email_key on "user" (email_key);
create index user_by_external_id on "user" (external_id);

-- 0024-api-key
create table api_key (
  api_key_id integer not null primary key,
  key_hash blob not null unique,
  user_id text not null references "user" (username) on delete cascade on update cascade,
  name text not null,
  key_groups text null,
  vhost text not null,
  created_at text not null,
  expires_at text null,
  last_use text null
);
create index api_key_by_user on api_key (user_id);

-- 0025-imported-row
create table imported_row (
  kind text not null,
  name text not null,
  groupname text not null default '',
  digest blob null,
  account_created_at text null,
  primary key (kind, name, groupname)
);

-- 0026-factor
create table factor (
  factor_id integer not null primary key,
  user_id text not null references "user" (username) on delete cascade on update cascade,
  type text not null,
  name text not null,
  created_at text not null,
  confirmed_at text null,
  last_use text null,
  secret blob null,
  secret_key_id text null,
  last_step integer null,
  credential_hash blob null unique,
  credential text null,
  sign_count integer null
);
create index factor_by_user on factor (user_id);
create index factor_by_key on factor (secret_key_id);

-- 0027-recovery-code
create table recovery_code (
  factor_id integer not null references factor (factor_id) on delete cascade,
  code_hash blob not null,
  primary key (factor_id, code_hash)
);

-- 0028-challenge
create table challenge (
  challenge_hash blob not null primary key,
  purpose text not null,
  user_id text null references "user" (username) on delete cascade on update cascade,
  account_modified_at text null,
  ip text not null,
  vhost text not null,
  client text null,
  amr text null,
  wrong_answers integer not null default 0,
  expires_at text not null
);
create index challenge_by_user on challenge (user_id);
create index challenge_by_expiry on challenge (expires_at);

-- 0029-token-amr
alter table token add column amr text null;
