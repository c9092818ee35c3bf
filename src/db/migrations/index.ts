import { user } from "./0001-user.ts";
import { token } from "./0002-token.ts";
import { group } from "./0003-group.ts";
import { usergroup } from "./0004-usergroup.ts";
import { usergroupByGroup } from "./0005-usergroup-by-group.ts";
import { tokenValidatedAt } from "./0006-token-validated-at.ts";
import type { Ddl } from "./migration.ts";

/** Every migration by its name, in order; append only. */
export const MIGRATIONS: Readonly<Record<string, Ddl>> = {
  "0001-user": user,
  "0002-token": token,
  "0003-group": group,
  "0004-usergroup": usergroup,
  "0005-usergroup-by-group": usergroupByGroup,
  "0006-token-validated-at": tokenValidatedAt,
};
