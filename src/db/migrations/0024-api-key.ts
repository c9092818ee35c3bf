import { EXACT } from "./folded-key.ts";
import type { Ddl } from "./migration.ts";

// `key_groups` is a JSON list; null means all groups of the account.
export const apiKey: Ddl = {
  mysql: `create table api_key (
  api_key_id bigint not null primary key,
  key_hash binary(32) not null unique,
  user_id varchar(100) ${EXACT} not null,
  name varchar(100) ${EXACT} not null,
  key_groups longtext null,
  vhost varchar(100) not null,
  created_at datetime(3) not null,
  expires_at datetime(3) null,
  last_use datetime(3) null,
  index api_key_by_user (user_id),
  constraint api_key_user foreign key (user_id) references \`user\` (username) on delete cascade on update cascade
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin`,
  sqlite: [
    `create table api_key (
  api_key_id integer not null primary key,
  key_hash blob not null unique,
  user_id text not null references "user" (username) on delete cascade on update cascade,
  name text not null,
  key_groups text null,
  vhost text not null,
  created_at text not null,
  expires_at text null,
  last_use text null
)`,
    "create index api_key_by_user on api_key (user_id)",
  ],
};
