import { user } from "./0001-user.ts";
import { token } from "./0002-token.ts";
import { group } from "./0003-group.ts";
import { usergroup } from "./0004-usergroup.ts";
import { usergroupByGroup } from "./0005-usergroup-by-group.ts";
import { tokenValidatedAt } from "./0006-token-validated-at.ts";
import { rpcInbox } from "./0007-rpc-inbox.ts";
import { rpcInboxByAge } from "./0008-rpc-inbox-by-age.ts";
import { rpcAttempt } from "./0009-rpc-attempt.ts";
import { lease } from "./0010-lease.ts";
import { loginThrottle } from "./0011-login-throttle.ts";
import { loginThrottleByExpiry } from "./0012-login-throttle-by-expiry.ts";
import type { Ddl } from "./migration.ts";

/** Every migration by its name, in order; append only. */
export const MIGRATIONS: Readonly<Record<string, Ddl>> = {
  "0001-user": user,
  "0002-token": token,
  "0003-group": group,
  "0004-usergroup": usergroup,
  "0005-usergroup-by-group": usergroupByGroup,
  "0006-token-validated-at": tokenValidatedAt,
  "0007-rpc-inbox": rpcInbox,
  "0008-rpc-inbox-by-age": rpcInboxByAge,
  "0009-rpc-attempt": rpcAttempt,
  "0010-lease": lease,
  "0011-login-throttle": loginThrottle,
  "0012-login-throttle-by-expiry": loginThrottleByExpiry,
};
