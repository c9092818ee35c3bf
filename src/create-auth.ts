import { type Config, loadConfig, parseConfig } from "./config/load.ts";
import type { LogConfig } from "./config/schema.ts";
import { migrate } from "./db/migrate.ts";
import { type Engine, openEngine } from "./engine.ts";
import { openLines } from "./observability/line-writer.ts";
import { createLogOn, createLogTo } from "./observability/log.ts";
import { createMetrics } from "./observability/metrics.ts";
import { auditLog } from "./procedures/audit/log.ts";
import { addUserToGroup } from "./procedures/group/add-user.ts";
import { createGroup } from "./procedures/group/create.ts";
import { deleteGroup } from "./procedures/group/delete.ts";
import { getAllGroups } from "./procedures/group/get-all.ts";
import { groupMembers } from "./procedures/group/members.ts";
import { removeUserFromGroup } from "./procedures/group/remove-user.ts";
import { getAccessToken } from "./procedures/session/get-access-token.ts";
import { introspect } from "./procedures/session/introspect.ts";
import { getJwks } from "./procedures/session/jwks.ts";
import { login } from "./procedures/session/login.ts";
import { logout } from "./procedures/session/logout.ts";
import { revokeSession } from "./procedures/session/revoke.ts";
import { adminCreateUser } from "./procedures/user/admin-create.ts";
import { changeUser } from "./procedures/user/change.ts";
import { deleteUser } from "./procedures/user/delete.ts";
import { getUser } from "./procedures/user/get.ts";
import { getAllUsers } from "./procedures/user/get-all.ts";
import { forgotPassword } from "./procedures/user/password-forgot.ts";
import { resetPassword } from "./procedures/user/password-reset.ts";
import { registerUser } from "./procedures/user/register.ts";
import { unlockUser } from "./procedures/user/unlock.ts";
import { resendVerification } from "./procedures/user/verification-resend.ts";
import { verifyEmail } from "./procedures/user/verify-email.ts";
import type { Procedure, ReplyOf, RequestOf } from "./rpc/procedure.ts";

/** How `createAuth` is set up. */
export interface AuthOptions {
  /** The path of a configuration file (its environment overrides apply), or the same as an object. */
  readonly config: string | Readonly<Record<string, unknown>>;
  /** What of its log goes to stderr, from `info` on a line for each call: `silent` unless given. */
  readonly logLevel?: LogConfig["level"];
}

/** One workflow as a method: the request in, `resp_data` out; rejects with an AppError. */
export type Workflow<P extends Procedure> = (request: RequestOf<P>) => Promise<ReplyOf<P>>;

/** The workflows without a broker: the same validation, access rules and errors as over the queues. */
export interface Auth extends AsyncDisposable {
  readonly session: {
    readonly login: Workflow<typeof login>;
    readonly logout: Workflow<typeof logout>;
    readonly getAccessToken: Workflow<typeof getAccessToken>;
    readonly introspect: Workflow<typeof introspect>;
    readonly getJwks: Workflow<typeof getJwks>;
    readonly revoke: Workflow<typeof revokeSession>;
  };
  readonly user: {
    readonly register: Workflow<typeof registerUser>;
    readonly adminCreate: Workflow<typeof adminCreateUser>;
    readonly delete: Workflow<typeof deleteUser>;
    readonly change: Workflow<typeof changeUser>;
    readonly getAll: Workflow<typeof getAllUsers>;
    readonly get: Workflow<typeof getUser>;
    readonly unlock: Workflow<typeof unlockUser>;
    readonly forgotPassword: Workflow<typeof forgotPassword>;
    readonly resetPassword: Workflow<typeof resetPassword>;
    readonly verifyEmail: Workflow<typeof verifyEmail>;
    readonly resendVerification: Workflow<typeof resendVerification>;
  };
  readonly group: {
    readonly getAll: Workflow<typeof getAllGroups>;
    readonly members: Workflow<typeof groupMembers>;
    readonly create: Workflow<typeof createGroup>;
    readonly delete: Workflow<typeof deleteGroup>;
    readonly addUser: Workflow<typeof addUserToGroup>;
    readonly removeUser: Workflow<typeof removeUserFromGroup>;
  };
  readonly audit: {
    readonly log: Workflow<typeof auditLog>;
  };
  /** Brings the database to the current schema and names what it applied. */
  migrate(): Promise<string[]>;
  /** Closes the database; may be called twice. */
  close(): Promise<void>;
}

/** The workflows on the configured database; throws ConfigError with every fault of the configuration. */
export async function createAuth(options: AuthOptions): Promise<Auth> {
  const config = readConfig(options.config);
  const metrics = createMetrics();
  const level = options.logLevel ?? "silent";
  const count = (): void => metrics.count("log_lines_dropped_total");
  const lines = level === "silent" ? undefined : await openLines(config.log, count, { pretty: false });
  const log = lines === undefined ? createLogTo(NOWHERE, level) : createLogOn(lines, level);
  const engine = await openEngine(config, log, metrics);
  const close = async (): Promise<void> => {
    await engine.close();
    lines?.close();
  };
  engine.startUpkeep(); // there may be no worker that would ever do it
  const workflow = workflowsOf(engine);
  return {
    session: {
      login: workflow(login),
      logout: workflow(logout),
      getAccessToken: workflow(getAccessToken),
      introspect: workflow(introspect),
      getJwks: workflow(getJwks),
      revoke: workflow(revokeSession),
    },
    user: {
      register: workflow(registerUser),
      adminCreate: workflow(adminCreateUser),
      delete: workflow(deleteUser),
      change: workflow(changeUser),
      getAll: workflow(getAllUsers),
      get: workflow(getUser),
      unlock: workflow(unlockUser),
      forgotPassword: workflow(forgotPassword),
      resetPassword: workflow(resetPassword),
      verifyEmail: workflow(verifyEmail),
      resendVerification: workflow(resendVerification),
    },
    group: {
      getAll: workflow(getAllGroups),
      members: workflow(groupMembers),
      create: workflow(createGroup),
      delete: workflow(deleteGroup),
      addUser: workflow(addUserToGroup),
      removeUser: workflow(removeUserFromGroup),
    },
    audit: { log: workflow(auditLog) },
    migrate: () => migrate(config.db),
    close,
    [Symbol.asyncDispose]: close,
  };
}

const NOWHERE = { write: () => undefined };

function readConfig(config: AuthOptions["config"]): Config {
  if (typeof config === "string") return loadConfig(config, { keys: true });
  return parseConfig(config, { keys: true, env: {}, folder: process.cwd() });
}

function workflowsOf({ pipeline }: Engine): <P extends Procedure>(procedure: P) => Workflow<P> {
  return <P extends Procedure>(procedure: P) =>
    async (request: RequestOf<P>) =>
      // The pipeline has parsed it with this procedure's output schema.
      (await pipeline.call(procedure.name, request)) as ReplyOf<P>;
}
