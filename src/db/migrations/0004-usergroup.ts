import type { Ddl } from "./migration.ts";

export const usergroup: Ddl = {
  mysql: `create table usergroup (
  username varchar(100) collate utf8mb4_unicode_520_ci not null,
  groupname varchar(100) not null,
  primary key (username, groupname),
  constraint usergroup_user foreign key (username) references \`user\` (username) on delete cascade on update cascade,
  constraint usergroup_group foreign key (groupname) references \`group\` (name) on delete cascade on update cascade
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin`,
  sqlite: `create table usergroup (
  username text collate nocase not null references "user" (username) on delete cascade on update cascade,
  groupname text not null references "group" (name) on delete cascade on update cascade,
  primary key (username, groupname)
)`,
};
