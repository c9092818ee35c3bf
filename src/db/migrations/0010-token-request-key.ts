import type { Ddl } from "./migration.ts";

export const tokenRequestKey: Ddl = {
  mysql: "alter table token add column request_key binary(32) null",
  sqlite: "alter table token add column request_key blob null",
};
