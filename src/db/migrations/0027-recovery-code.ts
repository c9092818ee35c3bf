import type { Ddl } from "./migration.ts";

export const recoveryCode: Ddl = {
  mysql: `create table recovery_code (
  factor_id bigint not null,
  code_hash binary(32) not null,
  primary key (factor_id, code_hash),
  constraint recovery_code_factor foreign key (factor_id) references factor (factor_id) on delete cascade
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin`,
  sqlite: `create table recovery_code (
  factor_id integer not null references factor (factor_id) on delete cascade,
  code_hash blob not null,
  primary key (factor_id, code_hash)
)`,
};
