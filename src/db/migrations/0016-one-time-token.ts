import type { Ddl } from "./migration.ts";

// No username if the address has no account: a request for an unknown address must not be faster.
export const oneTimeToken: Ddl = {
  mysql: `create table one_time_token (
  token_hash binary(32) not null primary key,
  purpose varchar(20) not null,
  account_key binary(32) not null,
  username varchar(100) collate utf8mb4_unicode_520_ci null,
  email varchar(100) collate utf8mb4_unicode_520_ci null,
  expires_at datetime(3) not null,
  constraint one_time_token_user foreign key (username) references \`user\` (username) on delete cascade on update cascade
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin`,
  sqlite: `create table one_time_token (
  token_hash blob not null primary key,
  purpose text not null,
  account_key blob not null,
  username text collate nocase null references "user" (username) on delete cascade on update cascade,
  email text collate nocase null,
  expires_at text not null
)`,
};
