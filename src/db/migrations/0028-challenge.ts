import { EXACT } from "./folded-key.ts";
import type { Ddl } from "./migration.ts";

export const challenge: Ddl = {
  mysql: `create table challenge (
  challenge_hash binary(32) not null primary key,
  purpose varchar(20) character set ascii collate ascii_bin not null,
  user_id varchar(100) ${EXACT} null,
  account_modified_at datetime(3) null,
  ip varchar(45) not null,
  vhost varchar(100) not null,
  client varchar(100) ${EXACT} null,
  amr varchar(64) character set ascii collate ascii_bin null,
  wrong_answers int not null default 0,
  expires_at datetime(3) not null,
  index challenge_by_user (user_id),
  index challenge_by_expiry (expires_at),
  constraint challenge_user foreign key (user_id) references \`user\` (username) on delete cascade on update cascade
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin`,
  sqlite: [
    `create table challenge (
  challenge_hash blob not null primary key,
  purpose text not null,
  user_id text null references "user" (username) on delete cascade on update cascade,
  account_modified_at text null,
  ip text not null,
  vhost text not null,
  client text null,
  amr text null,
  wrong_answers integer not null default 0,
  expires_at text not null
)`,
    "create index challenge_by_user on challenge (user_id)",
    "create index challenge_by_expiry on challenge (expires_at)",
  ],
};
