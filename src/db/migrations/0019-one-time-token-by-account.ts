import type { Ddl } from "./migration.ts";

export const oneTimeTokenByAccount: Ddl = {
  mysql: "create index one_time_token_by_account on one_time_token (account_key)",
  sqlite: "create index one_time_token_by_account on one_time_token (account_key)",
};
