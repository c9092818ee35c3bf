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
