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
