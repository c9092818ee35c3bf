-- 0001-user
create table `user` (
  username varchar(100) collate utf8mb4_unicode_520_ci not null primary key,
  password_hash varbinary(255) null,
  auth_type varchar(16) not null check (auth_type in ('LOCAL', 'LDAP', 'KERBEROS')),
  email varchar(100) collate utf8mb4_unicode_520_ci not null unique,
  activated tinyint(1) not null default 1,
  created_at datetime(3) not null default current_timestamp(3),
  modified_at datetime(3) not null default current_timestamp(3)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

-- 0002-token
create table token (
  token_id bigint not null primary key,
  user_id varchar(100) collate utf8mb4_unicode_520_ci not null unique,
  ip varchar(45) not null,
  valid_until datetime(3) not null,
  last_use datetime(3) null,
  sign_method varchar(16) not null,
  vhost varchar(100) not null,
  constraint token_user foreign key (user_id) references `user` (username) on delete cascade on update cascade
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

-- 0003-group
create table `group` (
  name varchar(100) not null primary key
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

-- 0004-usergroup
create table usergroup (
  username varchar(100) collate utf8mb4_unicode_520_ci not null,
  groupname varchar(100) not null,
  primary key (username, groupname),
  constraint usergroup_user foreign key (username) references `user` (username) on delete cascade on update cascade,
  constraint usergroup_group foreign key (groupname) references `group` (name) on delete cascade on update cascade
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

-- 0005-usergroup-by-group
create index usergroup_by_group on usergroup (groupname, username);

-- 0006-token-validated-at
alter table token add column validated_at datetime(3) null;

-- 0007-rpc-inbox
create table rpc_inbox (
  request_key binary(32) not null primary key,
  message_key binary(32) null,
  body_hash binary(32) not null,
  queue varchar(64) not null,
  caller varchar(100) not null,
  redelivered tinyint(1) not null,
  resp_code smallint not null,
  resp_data text not null,
  created_at datetime(3) not null
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

-- 0008-rpc-inbox-by-age
create index rpc_inbox_by_age on rpc_inbox (created_at);

-- 0009-rpc-attempt
create table rpc_attempt (
  message_key binary(32) not null primary key,
  body_hash binary(32) not null,
  queue varchar(64) not null,
  caller varchar(255) not null,
  attempts smallint not null,
  created_at datetime(3) not null,
  parked_at datetime(3) null
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

-- 0010-lease
create table lease (
  name varchar(64) not null primary key,
  held_until datetime(3) not null
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

-- 0011-login-throttle
create table login_throttle (
  account_key binary(32) not null primary key,
  version bigint not null,
  sources text not null,
  expires_at datetime(3) not null
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

-- 0012-login-throttle-by-expiry
create index login_throttle_by_expiry on login_throttle (expires_at);

-- 0013-event
create table event (
  seq bigint not null auto_increment primary key,
  id char(36) not null unique,
  type varchar(50) not null,
  username varchar(100) collate utf8mb4_unicode_520_ci null,
  actor varchar(100) null,
  data text not null,
  created_at datetime(3) not null,
  published_at datetime(3) null
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

-- 0014-event-by-publication
create index event_by_publication on event (published_at);

-- 0015-event-by-user
create index event_by_user on event (username);

-- 0016-one-time-token
create table one_time_token (
  token_hash binary(32) not null primary key,
  purpose varchar(20) not null,
  account_key binary(32) not null,
  username varchar(100) collate utf8mb4_unicode_520_ci null,
  email varchar(100) collate utf8mb4_unicode_520_ci null,
  expires_at datetime(3) not null,
  constraint one_time_token_user foreign key (username) references `user` (username) on delete cascade on update cascade
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

-- 0017-one-time-token-by-expiry
create index one_time_token_by_expiry on one_time_token (expires_at);

-- 0018-one-time-token-by-user
create index one_time_token_by_user on one_time_token (username);

-- 0019-one-time-token-by-account
create index one_time_token_by_account on one_time_token (account_key);

-- 0020-user-email-verified-at
alter table `user` add column email_verified_at datetime(3) null;

-- 0021-names-by-key
lock tables `user` write, token write, usergroup write, `group` write, one_time_token write;
update token join `user` on `user`.username = token.user_id
  set token.user_id = `user`.username
  where cast(token.user_id as binary) <> cast(`user`.username as binary);
update usergroup join `user` on `user`.username = usergroup.username
  set usergroup.username = `user`.username
  where cast(usergroup.username as binary) <> cast(`user`.username as binary);
update one_time_token join `user` on `user`.username = one_time_token.username
  set one_time_token.username = `user`.username
  where cast(one_time_token.username as binary) <> cast(`user`.username as binary);
alter table token
  drop foreign key token_user,
  modify user_id varchar(100) /*!80017 collate utf8mb4_0900_bin */ /*M! collate utf8mb4_nopad_bin */ not null;
alter table usergroup
  drop foreign key usergroup_user,
  modify username varchar(100) /*!80017 collate utf8mb4_0900_bin */ /*M! collate utf8mb4_nopad_bin */ not null,
  add column username_key varchar(100) /*!80017 collate utf8mb4_0900_bin */ /*M! collate utf8mb4_nopad_bin */ generated always as (replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(username, 'A', 'a'), 'B', 'b'), 'C', 'c'), 'D', 'd'), 'E', 'e'), 'F', 'f'), 'G', 'g'), 'H', 'h'), 'I', 'i'), 'J', 'j'), 'K', 'k'), 'L', 'l'), 'M', 'm'), 'N', 'n'), 'O', 'o'), 'P', 'p'), 'Q', 'q'), 'R', 'r'), 'S', 's'), 'T', 't'), 'U', 'u'), 'V', 'v'), 'W', 'w'), 'X', 'x'), 'Y', 'y'), 'Z', 'z')) virtual,
  drop index usergroup_by_group,
  add index usergroup_by_group (groupname, username_key);
alter table one_time_token
  drop foreign key one_time_token_user,
  modify username varchar(100) /*!80017 collate utf8mb4_0900_bin */ /*M! collate utf8mb4_nopad_bin */ null,
  modify email varchar(100) /*!80017 collate utf8mb4_0900_bin */ /*M! collate utf8mb4_nopad_bin */ null;
alter table `user`
  modify username varchar(100) /*!80017 collate utf8mb4_0900_bin */ /*M! collate utf8mb4_nopad_bin */ not null,
  modify email varchar(100) /*!80017 collate utf8mb4_0900_bin */ /*M! collate utf8mb4_nopad_bin */ null,
  add column username_key varchar(100) /*!80017 collate utf8mb4_0900_bin */ /*M! collate utf8mb4_nopad_bin */ generated always as (replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(username, 'A', 'a'), 'B', 'b'), 'C', 'c'), 'D', 'd'), 'E', 'e'), 'F', 'f'), 'G', 'g'), 'H', 'h'), 'I', 'i'), 'J', 'j'), 'K', 'k'), 'L', 'l'), 'M', 'm'), 'N', 'n'), 'O', 'o'), 'P', 'p'), 'Q', 'q'), 'R', 'r'), 'S', 's'), 'T', 't'), 'U', 'u'), 'V', 'v'), 'W', 'w'), 'X', 'x'), 'Y', 'y'), 'Z', 'z')) stored,
  add column email_key varchar(100) /*!80017 collate utf8mb4_0900_bin */ /*M! collate utf8mb4_nopad_bin */ generated always as (replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(email, 'A', 'a'), 'B', 'b'), 'C', 'c'), 'D', 'd'), 'E', 'e'), 'F', 'f'), 'G', 'g'), 'H', 'h'), 'I', 'i'), 'J', 'j'), 'K', 'k'), 'L', 'l'), 'M', 'm'), 'N', 'n'), 'O', 'o'), 'P', 'p'), 'Q', 'q'), 'R', 'r'), 'S', 's'), 'T', 't'), 'U', 'u'), 'V', 'v'), 'W', 'w'), 'X', 'x'), 'Y', 'y'), 'Z', 'z')) stored,
  add column external_id varchar(255) character set ascii collate ascii_bin null,
  drop index email,
  add unique index user_by_username_key (username_key),
  add unique index user_by_email_key (email_key),
  add index user_by_external_id (external_id);
delete from token where user_id is not null and user_id not in (select username from `user`);
alter table token add constraint token_user foreign key (user_id) references `user` (username) on delete cascade on update cascade;
delete from usergroup where username is not null and username not in (select username from `user`);
alter table usergroup add constraint usergroup_user foreign key (username) references `user` (username) on delete cascade on update cascade;
delete from one_time_token where username is not null and username not in (select username from `user`);
alter table one_time_token add constraint one_time_token_user foreign key (username) references `user` (username) on delete cascade on update cascade;
unlock tables;

-- 0022-event-username-key
alter table event
  modify username varchar(100) /*!80017 collate utf8mb4_0900_bin */ /*M! collate utf8mb4_nopad_bin */ null,
  add column username_key varchar(100) /*!80017 collate utf8mb4_0900_bin */ /*M! collate utf8mb4_nopad_bin */ generated always as (replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(username, 'A', 'a'), 'B', 'b'), 'C', 'c'), 'D', 'd'), 'E', 'e'), 'F', 'f'), 'G', 'g'), 'H', 'h'), 'I', 'i'), 'J', 'j'), 'K', 'k'), 'L', 'l'), 'M', 'm'), 'N', 'n'), 'O', 'o'), 'P', 'p'), 'Q', 'q'), 'R', 'r'), 'S', 's'), 'T', 't'), 'U', 'u'), 'V', 'v'), 'W', 'w'), 'X', 'x'), 'Y', 'y'), 'Z', 'z')) stored,
  drop index event_by_user,
  add index event_by_user (username_key);

-- 0023-sessions-breaking
alter table token
  add column created_at datetime(3) null,
  add column client varchar(100) /*!80017 collate utf8mb4_0900_bin */ /*M! collate utf8mb4_nopad_bin */ null,
  drop index user_id,
  add index token_by_user (user_id),
  add index token_by_expiry (valid_until);
update token set created_at = coalesce(last_use, utc_timestamp(3)) where created_at is null;
alter table token modify created_at datetime(3) not null;
alter table `user`
  /*!80017 drop check user_chk_1, */
  modify auth_type varchar(16) not null,
  add constraint user_auth_type check (auth_type in ('LOCAL', 'LDAP', 'KERBEROS', 'SERVICE')),
  add column last_login_at datetime(3) null;

-- 0024-api-key
create table api_key (
  api_key_id bigint not null primary key,
  key_hash binary(32) not null unique,
  user_id varchar(100) /*!80017 collate utf8mb4_0900_bin */ /*M! collate utf8mb4_nopad_bin */ not null,
  name varchar(100) /*!80017 collate utf8mb4_0900_bin */ /*M! collate utf8mb4_nopad_bin */ not null,
  key_groups longtext null,
  vhost varchar(100) not null,
  created_at datetime(3) not null,
  expires_at datetime(3) null,
  last_use datetime(3) null,
  index api_key_by_user (user_id),
  constraint api_key_user foreign key (user_id) references `user` (username) on delete cascade on update cascade
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

-- 0025-imported-row
create table imported_row (
  kind varchar(8) character set ascii collate ascii_bin not null,
  name varchar(100) /*!80017 collate utf8mb4_0900_bin */ /*M! collate utf8mb4_nopad_bin */ not null,
  groupname varchar(100) not null default '',
  digest binary(32) null,
  account_created_at datetime(3) null,
  primary key (kind, name, groupname)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

-- 0026-factor
create table factor (
  factor_id bigint not null primary key,
  user_id varchar(100) /*!80017 collate utf8mb4_0900_bin */ /*M! collate utf8mb4_nopad_bin */ not null,
  type varchar(16) character set ascii collate ascii_bin not null,
  name varchar(100) /*!80017 collate utf8mb4_0900_bin */ /*M! collate utf8mb4_nopad_bin */ not null,
  created_at datetime(3) not null,
  confirmed_at datetime(3) null,
  last_use datetime(3) null,
  secret varbinary(255) null,
  secret_key_id varchar(16) character set ascii collate ascii_bin null,
  last_step bigint null,
  credential_hash binary(32) null unique,
  credential longtext null,
  sign_count bigint null,
  index factor_by_user (user_id),
  index factor_by_key (secret_key_id),
  constraint factor_user foreign key (user_id) references `user` (username) on delete cascade on update cascade
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

-- 0027-recovery-code
create table recovery_code (
  factor_id bigint not null,
  code_hash binary(32) not null,
  primary key (factor_id, code_hash),
  constraint recovery_code_factor foreign key (factor_id) references factor (factor_id) on delete cascade
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

-- 0028-challenge
create table challenge (
  challenge_hash binary(32) not null primary key,
  purpose varchar(20) character set ascii collate ascii_bin not null,
  user_id varchar(100) /*!80017 collate utf8mb4_0900_bin */ /*M! collate utf8mb4_nopad_bin */ null,
  account_modified_at datetime(3) null,
  ip varchar(45) not null,
  vhost varchar(100) not null,
  client varchar(100) /*!80017 collate utf8mb4_0900_bin */ /*M! collate utf8mb4_nopad_bin */ null,
  amr varchar(64) character set ascii collate ascii_bin null,
  wrong_answers int not null default 0,
  expires_at datetime(3) not null,
  index challenge_by_user (user_id),
  index challenge_by_expiry (expires_at),
  constraint challenge_user foreign key (user_id) references `user` (username) on delete cascade on update cascade
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

-- 0029-token-amr
alter table token add column amr varchar(64) character set ascii collate ascii_bin null;
