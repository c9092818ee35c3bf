import { apiKeyAll } from "./api/key-all.ts";
import { apiKeyCreate } from "./api/key-create.ts";
import { apiKeyRevoke } from "./api/key-revoke.ts";
import { auditLog } from "./audit/log.ts";
import { factorAll } from "./factor/all.ts";
import { factorRemove } from "./factor/remove.ts";
import { groupAddUser } from "./group/add-user.ts";
import { groupAll } from "./group/all.ts";
import { groupCreate } from "./group/create.ts";
import { groupDelete } from "./group/delete.ts";
import { groupRemoveUser } from "./group/remove-user.ts";
import { groupUser } from "./group/user.ts";
import { loginContinue } from "./login/continue.ts";
import { passkeyBegin } from "./passkey/begin.ts";
import { passkeyConfirm } from "./passkey/confirm.ts";
import { passkeyLoginBegin } from "./passkey/login-begin.ts";
import { recoveryCodesRenew } from "./recovery/codes-renew.ts";
import { sessionAll } from "./session/all.ts";
import { introspect } from "./session/introspect.ts";
import { jwks } from "./session/jwks.ts";
import { login } from "./session/login.ts";
import { logout } from "./session/logout.ts";
import { sessionRevoke } from "./session/revoke.ts";
import { token } from "./session/token.ts";
import { totpBegin } from "./totp/begin.ts";
import { totpConfirm } from "./totp/confirm.ts";
import { userAdminCreate } from "./user/admin-create.ts";
import { userAll } from "./user/all.ts";
import { userChange } from "./user/change.ts";
import { userDelete } from "./user/delete.ts";
import { userGet } from "./user/get.ts";
import { userPasswordForgot } from "./user/password-forgot.ts";
import { userPasswordReset } from "./user/password-reset.ts";
import { userRegister } from "./user/register.ts";
import { userUnlock } from "./user/unlock.ts";
import { userVerificationResend } from "./user/verification-resend.ts";
import { userVerifyEmail } from "./user/verify-email.ts";

/** All procedures, in the order of the documentation. */
export const PROCEDURES = [
  login,
  loginContinue,
  passkeyLoginBegin,
  logout,
  token,
  introspect,
  jwks,
  sessionAll,
  sessionRevoke,
  userRegister,
  userAdminCreate,
  userDelete,
  userChange,
  userAll,
  userGet,
  userUnlock,
  userPasswordForgot,
  userPasswordReset,
  userVerifyEmail,
  userVerificationResend,
  totpBegin,
  totpConfirm,
  passkeyBegin,
  passkeyConfirm,
  factorAll,
  factorRemove,
  recoveryCodesRenew,
  apiKeyCreate,
  apiKeyAll,
  apiKeyRevoke,
  groupAll,
  groupUser,
  groupCreate,
  groupDelete,
  groupAddUser,
  groupRemoveUser,
  auditLog,
] as const;
