import type { Ddl } from "./migration.ts";

export const eventByUser: Ddl = {
  mysql: "create index event_by_user on event (username)",
  sqlite: "create index event_by_user on event (username)",
};
