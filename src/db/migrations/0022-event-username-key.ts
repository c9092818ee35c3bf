import { EXACT, foldedKey } from "./folded-key.ts";
import type { Ddl } from "./migration.ts";

export const eventUsernameKey: Ddl = {
  mysql: [
    {
      unless:
        "select 1 from information_schema.columns " +
        "where table_schema = database() and table_name = 'event' and column_name = 'username_key'",
      run: `alter table event
  modify username varchar(100) ${EXACT} null,
  add column username_key varchar(100) ${EXACT} generated always as (${foldedKey("username")}) stored,
  drop index event_by_user,
  add index event_by_user (username_key)`,
    },
  ],
  sqlite: [
    "alter table event add column username_key text generated always as (lower(username)) virtual",
    "drop index event_by_user",
    "create index event_by_user on event (username_key)",
  ],
};
