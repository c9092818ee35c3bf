import type { Ddl } from "./migration.ts";

export const rpcInbox: Ddl = {
  mysql: `create table rpc_inbox (
  request_key binary(32) not null primary key,
  message_key binary(32) null,
  body_hash binary(32) not null,
  queue varchar(64) not null,
  caller varchar(100) not null,
  redelivered tinyint(1) not null,
  resp_code smallint not null,
  resp_data text not null,
  created_at datetime(3) not null
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin`,
  sqlite: `create table rpc_inbox (
  request_key blob not null primary key,
  message_key blob null,
  body_hash blob not null,
  queue text not null,
  caller text not null,
  redelivered integer not null,
  resp_code integer not null,
  resp_data text not null,
  created_at text not null
)`,
};
