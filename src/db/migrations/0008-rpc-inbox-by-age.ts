import type { Ddl } from "./migration.ts";

export const rpcInboxByAge: Ddl = {
  mysql: "create index rpc_inbox_by_age on rpc_inbox (created_at)",
  sqlite: "create index rpc_inbox_by_age on rpc_inbox (created_at)",
};
