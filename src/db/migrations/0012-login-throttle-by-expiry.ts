import type { Ddl } from "./migration.ts";

export const loginThrottleByExpiry: Ddl = {
  mysql: "create index login_throttle_by_expiry on login_throttle (expires_at)",
  sqlite: "create index login_throttle_by_expiry on login_throttle (expires_at)",
};
