import type { Ddl } from "./migration.ts";

// utf8mb4_unicode_520_ci is the newest collation that ignores case on both MySQL 8 and MariaDB 10.11.
export const userTable: Ddl = {
  mysql: `create table \`user\` (
  username varchar(100) collate utf8mb4_unicode_520_ci not null primary key,
  password_hash varbinary(255) null,
  auth_type varchar(16) not null check (auth_type in ('LOCAL', 'LDAP', 'KERBEROS')),
  email varchar(100) collate utf8mb4_unicode_520_ci not null unique,
  activated tinyint(1) not null default 1,
  created_at datetime(3) not null default current_timestamp(3),
  modified_at datetime(3) not null default current_timestamp(3)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin`,
  sqlite: `create table "user" (
  username text collate nocase not null primary key,
  password_hash blob null,
  auth_type text not null check (auth_type in ('LOCAL', 'LDAP', 'KERBEROS')),
  email text collate nocase not null unique,
  activated integer not null default 1,
  created_at text not null default (strftime('%Y-%m-%d %H:%M:%f', 'now')),
  modified_at text not null default (strftime('%Y-%m-%d %H:%M:%f', 'now'))
)`,
};
