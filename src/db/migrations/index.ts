import { userTable } from "./0001-user.ts";
import { tokenTable } from "./0002-token.ts";
import { groupTable } from "./0003-group.ts";
import { usergroup } from "./0004-usergroup.ts";
import { usergroupByGroup } from "./0005-usergroup-by-group.ts";
import { tokenValidatedAt } from "./0006-token-validated-at.ts";
import { rpcInbox } from "./0007-rpc-inbox.ts";
import { rpcInboxByAge } from "./0008-rpc-inbox-by-age.ts";
import { rpcAttempt } from "./0009-rpc-attempt.ts";
import { lease } from "./0010-lease.ts";
import { loginThrottle } from "./0011-login-throttle.ts";
import { loginThrottleByExpiry } from "./0012-login-throttle-by-expiry.ts";
import { event } from "./0013-event.ts";
import { eventByPublication } from "./0014-event-by-publication.ts";
import { eventByUser } from "./0015-event-by-user.ts";
import { oneTimeToken } from "./0016-one-time-token.ts";
import { oneTimeTokenByExpiry } from "./0017-one-time-token-by-expiry.ts";
import { oneTimeTokenByUser } from "./0018-one-time-token-by-user.ts";
import { oneTimeTokenByAccount } from "./0019-one-time-token-by-account.ts";
import { userEmailVerifiedAt } from "./0020-user-email-verified-at.ts";
import { namesByKey } from "./0021-names-by-key.ts";
import { eventUsernameKey } from "./0022-event-username-key.ts";
import { sessions } from "./0023-sessions-breaking.ts";
import { apiKey } from "./0024-api-key.ts";
import { importedRow } from "./0025-imported-row.ts";
import { factor } from "./0026-factor.ts";
import { recoveryCode } from "./0027-recovery-code.ts";
import { challenge } from "./0028-challenge.ts";
import { tokenAmr } from "./0029-token-amr.ts";
import type { Ddl } from "./migration.ts";

/** All migrations by name, in order. Append only. */
export const MIGRATIONS: Readonly<Record<string, Ddl>> = {
  "0001-user": userTable,
  "0002-token": tokenTable,
  "0003-group": groupTable,
  "0004-usergroup": usergroup,
  "0005-usergroup-by-group": usergroupByGroup,
  "0006-token-validated-at": tokenValidatedAt,
  "0007-rpc-inbox": rpcInbox,
  "0008-rpc-inbox-by-age": rpcInboxByAge,
  "0009-rpc-attempt": rpcAttempt,
  "0010-lease": lease,
  "0011-login-throttle": loginThrottle,
  "0012-login-throttle-by-expiry": loginThrottleByExpiry,
  "0013-event": event,
  "0014-event-by-publication": eventByPublication,
  "0015-event-by-user": eventByUser,
  "0016-one-time-token": oneTimeToken,
  "0017-one-time-token-by-expiry": oneTimeTokenByExpiry,
  "0018-one-time-token-by-user": oneTimeTokenByUser,
  "0019-one-time-token-by-account": oneTimeTokenByAccount,
  "0020-user-email-verified-at": userEmailVerifiedAt,
  "0021-names-by-key": namesByKey,
  "0022-event-username-key": eventUsernameKey,
  "0023-sessions-breaking": sessions,
  "0024-api-key": apiKey,
  "0025-imported-row": importedRow,
  "0026-factor": factor,
  "0027-recovery-code": recoveryCode,
  "0028-challenge": challenge,
  "0029-token-amr": tokenAmr,
};
