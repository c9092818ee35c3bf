import { EXACT } from "./folded-key.ts";
import type { Ddl } from "./migration.ts";

// What an import of another database has copied: a later run restores nothing that was deleted here since.
export const importedRow: Ddl = {
  mysql: `create table imported_row (
  kind varchar(8) character set ascii collate ascii_bin not null,
  name varchar(100) ${EXACT} not null,
  groupname varchar(100) not null default '',
  digest binary(32) null,
  account_created_at datetime(3) null,
  primary key (kind, name, groupname)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin`,
  sqlite: `create table imported_row (
  kind text not null,
  name text not null,
  groupname text not null default '',
  digest blob null,
  account_created_at text null,
  primary key (kind, name, groupname)
)`,
};
