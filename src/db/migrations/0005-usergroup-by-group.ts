import type { Ddl } from "./migration.ts";

export const usergroupByGroup: Ddl = {
  mysql: "create index usergroup_by_group on usergroup (groupname, username)",
  sqlite: "create index usergroup_by_group on usergroup (groupname, username)",
};
