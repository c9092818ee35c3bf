import type { Ddl } from "./migration.ts";

export const userEmailVerifiedAt: Ddl = {
  mysql: "alter table `user` add column email_verified_at datetime(3) null",
  sqlite: 'alter table "user" add column email_verified_at text null',
};
