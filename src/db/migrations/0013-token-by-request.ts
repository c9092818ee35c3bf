import type { Ddl } from "./migration.ts";

export const tokenByRequest: Ddl = {
  mysql: "create index token_by_request on token (request_key)",
  sqlite: "create index token_by_request on token (request_key)",
};
