import type { Ddl } from "./migration.ts";

export const tokenBodyHash: Ddl = {
  mysql: "alter table token add column body_hash binary(32) null",
  sqlite: "alter table token add column body_hash blob null",
};
