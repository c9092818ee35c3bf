import type { Ddl } from "./migration.ts";

export const event: Ddl = {
  mysql: `create table event (
  seq bigint not null auto_increment primary key,
  id char(36) not null unique,
  type varchar(50) not null,
  username varchar(100) collate utf8mb4_unicode_520_ci null,
  actor varchar(100) null,
  data text not null,
  created_at datetime(3) not null,
  published_at datetime(3) null
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin`,
  sqlite: `create table event (
  seq integer primary key autoincrement,
  id text not null unique,
  type text not null,
  username text collate nocase null,
  actor text null,
  data text not null,
  created_at text not null,
  published_at text null
)`,
};
