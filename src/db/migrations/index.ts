import { user } from "./0001-user.ts";
import { token } from "./0002-token.ts";
import { group } from "./0003-group.ts";
import { usergroup } from "./0004-usergroup.ts";
import { usergroupByGroup } from "./0005-usergroup-by-group.ts";
import { tokenValidatedAt } from "./0006-token-validated-at.ts";
import { rpcInbox } from "./0007-rpc-inbox.ts";
import { rpcInboxByAge } from "./0008-rpc-inbox-by-age.ts";
import { rpcAttempt } from "./0009-rpc-attempt.ts";
import { tokenRequestKey } from "./0010-token-request-key.ts";
import { tokenBodyHash } from "./0011-token-body-hash.ts";
import { tokenIssuedAt } from "./0012-token-issued-at.ts";
import { tokenByRequest } from "./0013-token-by-request.ts";
import { lease } from "./0014-lease.ts";
import { tokenIssuedGroups } from "./0015-token-issued-groups.ts";
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
  "0010-token-request-key": tokenRequestKey,
  "0011-token-body-hash": tokenBodyHash,
  "0012-token-issued-at": tokenIssuedAt,
  "0013-token-by-request": tokenByRequest,
  "0014-lease": lease,
  "0015-token-issued-groups": tokenIssuedGroups,
};
