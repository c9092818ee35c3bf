import { auditLog } from "./audit/log.ts";
import { addUserToGroup } from "./group/add-user.ts";
import { createGroup } from "./group/create.ts";
import { deleteGroup } from "./group/delete.ts";
import { getAllGroups } from "./group/get-all.ts";
import { groupMembers } from "./group/members.ts";
import { removeUserFromGroup } from "./group/remove-user.ts";
import { getAccessToken } from "./session/get-access-token.ts";
import { introspect } from "./session/introspect.ts";
import { getJwks } from "./session/jwks.ts";
import { login } from "./session/login.ts";
import { logout } from "./session/logout.ts";
import { revokeSession } from "./session/revoke.ts";
import { adminCreateUser } from "./user/admin-create.ts";
import { changeUser } from "./user/change.ts";
import { deleteUser } from "./user/delete.ts";
import { getUser } from "./user/get.ts";
import { getAllUsers } from "./user/get-all.ts";
import { forgotPassword } from "./user/password-forgot.ts";
import { resetPassword } from "./user/password-reset.ts";
import { registerUser } from "./user/register.ts";
import { unlockUser } from "./user/unlock.ts";
import { resendVerification } from "./user/verification-resend.ts";
import { verifyEmail } from "./user/verify-email.ts";

/** Every workflow. */
export const PROCEDURES = [
  login,
  logout,
  getAccessToken,
  introspect,
  getJwks,
  revokeSession,
  registerUser,
  adminCreateUser,
  deleteUser,
  changeUser,
  getAllUsers,
  getUser,
  unlockUser,
  forgotPassword,
  resetPassword,
  verifyEmail,
  resendVerification,
  getAllGroups,
  groupMembers,
  createGroup,
  deleteGroup,
  addUserToGroup,
  removeUserFromGroup,
  auditLog,
] as const;
