import type { Ddl } from "./migration.ts";

export const loginThrottle: Ddl = {
  mysql: `create table login_throttle (
  account_key binary(32) not null primary key,
  version bigint not null,
  sources text not null,
  expires_at datetime(3) not null
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin`,
  sqlite: `create table login_throttle (
  account_key blob not null primary key,
  version integer not null,
  sources text not null,
  expires_at text not null
)`,
};
