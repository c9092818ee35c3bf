import type { Ddl } from "./migration.ts";

export const eventByPublication: Ddl = {
  mysql: "create index event_by_publication on event (published_at)",
  sqlite: "create index event_by_publication on event (published_at)",
};
