import type { Ddl } from "./migration.ts";

export const oneTimeTokenByExpiry: Ddl = {
  mysql: "create index one_time_token_by_expiry on one_time_token (expires_at)",
  sqlite: "create index one_time_token_by_expiry on one_time_token (expires_at)",
};
