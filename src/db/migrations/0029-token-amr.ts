import type { Ddl } from "./migration.ts";

// How the session's login authenticated the user (RFC 8176), separated by spaces; null before this migration.
export const tokenAmr: Ddl = {
  mysql: `alter table token add column amr varchar(64) character set ascii collate ascii_bin null`,
  sqlite: "alter table token add column amr text null",
};
