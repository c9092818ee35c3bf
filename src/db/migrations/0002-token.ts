import type { Ddl } from "./migration.ts";

export const tokenTable: Ddl = {
  mysql: `create table token (
  token_id bigint not null primary key,
  user_id varchar(100) collate utf8mb4_unicode_520_ci not null unique,
  ip varchar(45) not null,
  valid_until datetime(3) not null,
  last_use datetime(3) null,
  sign_method varchar(16) not null,
  vhost varchar(100) not null,
  constraint token_user foreign key (user_id) references \`user\` (username) on delete cascade on update cascade
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin`,
  sqlite: `create table token (
  token_id integer not null primary key,
  user_id text collate nocase not null unique references "user" (username) on delete cascade on update cascade,
  ip text not null,
  valid_until text not null,
  last_use text null,
  sign_method text not null,
  vhost text not null
)`,
};
