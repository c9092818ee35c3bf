import type { Ddl } from "./migration.ts";

export const tokenIssuedGroups: Ddl = {
  mysql: "alter table token add column issued_groups mediumtext null",
  sqlite: "alter table token add column issued_groups text null",
};
