import type { Ddl } from "./migration.ts";

export const rpcAttempt: Ddl = {
  mysql: `create table rpc_attempt (
  message_key binary(32) not null primary key,
  body_hash binary(32) not null,
  queue varchar(64) not null,
  caller varchar(255) not null,
  attempts smallint not null,
  created_at datetime(3) not null,
  parked_at datetime(3) null
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin`,
  sqlite: `create table rpc_attempt (
  message_key blob not null primary key,
  body_hash blob not null,
  queue text not null,
  caller text not null,
  attempts integer not null,
  created_at text not null,
  parked_at text null
)`,
};
