import type { Ddl } from "./migration.ts";

// In MySQL it replaces the index that was created for the foreign key.
export const oneTimeTokenByUser: Ddl = {
  mysql: "create index one_time_token_by_user on one_time_token (username)",
  sqlite: "create index one_time_token_by_user on one_time_token (username)",
};
