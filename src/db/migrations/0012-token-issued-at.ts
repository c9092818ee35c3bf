import type { Ddl } from "./migration.ts";

export const tokenIssuedAt: Ddl = {
  mysql: "alter table token add column issued_at datetime(3) null",
  sqlite: "alter table token add column issued_at text null",
};
