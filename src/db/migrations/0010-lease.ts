import type { Ddl } from "./migration.ts";

export const lease: Ddl = {
  mysql: `create table lease (
  name varchar(64) not null primary key,
  held_until datetime(3) not null
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin`,
  sqlite: `create table lease (
  name text not null primary key,
  held_until text not null
)`,
};
