import { EXACT } from "./folded-key.ts";
import type { Ddl } from "./migration.ts";

// A factor without `confirmed_at` is a TOTP whose enrolment is not finished.
export const factor: Ddl = {
  mysql: `create table factor (
  factor_id bigint not null primary key,
  user_id varchar(100) ${EXACT} not null,
  type varchar(16) character set ascii collate ascii_bin not null,
  name varchar(100) ${EXACT} not null,
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
  constraint factor_user foreign key (user_id) references \`user\` (username) on delete cascade on update cascade
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin`,
  sqlite: [
    `create table factor (
  factor_id integer not null primary key,
  user_id text not null references "user" (username) on delete cascade on update cascade,
  type text not null,
  name text not null,
  created_at text not null,
  confirmed_at text null,
  last_use text null,
  secret blob null,
  secret_key_id text null,
  last_step integer null,
  credential_hash blob null unique,
  credential text null,
  sign_count integer null
)`,
    "create index factor_by_user on factor (user_id)",
    "create index factor_by_key on factor (secret_key_id)",
  ],
};
