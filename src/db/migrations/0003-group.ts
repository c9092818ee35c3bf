import type { Ddl } from "./migration.ts";

export const groupTable: Ddl = {
  mysql: `create table \`group\` (
  name varchar(100) not null primary key
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin`,
  sqlite: `create table "group" (
  name text not null primary key
)`,
};
