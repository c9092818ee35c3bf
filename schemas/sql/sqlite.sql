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
