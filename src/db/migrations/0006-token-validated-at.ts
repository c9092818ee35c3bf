import type { Ddl } from "./migration.ts";

export const tokenValidatedAt: Ddl = {
  mysql: "alter table token add column validated_at datetime(3) null",
  sqlite: "alter table token add column validated_at text null",
};
