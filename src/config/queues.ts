import type { Faults } from "./fault.ts";

/** The key in `queue_settings` of each workflow, by the default name of its queue. */
export const QUEUE_SETTINGS = {
  login: "session_workflow_login",
  logout: "session_workflow_logout",
  token: "session_workflow_get_access_token",
  introspect: "session_workflow_introspect",
  jwks: "session_workflow_get_jwks",
  session_revoke: "session_workflow_revoke_session",
  user_register: "user_workflow_register_user",
  user_admin_create: "user_workflow_admin_create_user",
  user_delete: "user_workflow_delete_user",
  user_change: "user_workflow_change_user",
  user_all: "user_workflow_get_all",
  user_get: "user_workflow_get_user",
  user_unlock: "user_workflow_unlock_user",
  user_password_forgot: "user_workflow_forgot_password",
  user_password_reset: "user_workflow_reset_password",
  user_verify_email: "user_workflow_verify_email",
  user_verification_resend: "user_workflow_resend_verification",
  group_all: "group_workflow_get_groups",
  group_user: "group_workflow_group_members",
  group_create: "group_workflow_create_group",
  group_delete: "group_workflow_delete_group",
  group_add_user: "group_workflow_add_user_to_group",
  group_remove_user: "group_workflow_remove_user_from_group",
  audit_log: "audit_workflow_get_log",
} as const;

/** The default name of a queue, which is the name of its workflow. */
export type QueueName = keyof typeof QUEUE_SETTINGS;

/** A second spelling of a key that the original system used. */
const ALIASES = { group_workflow_group_users: "group_user" } as const;

/** Every key that `queue_settings` may have, with the default name of its queue. */
export const QUEUE_KEYS: ReadonlyMap<string, QueueName> = new Map([
  ...queueNames().map((name) => [QUEUE_SETTINGS[name], name] as const),
  ...Object.entries(ALIASES),
]);

/** The default queue names in the order of the documentation. */
export function queueNames(): QueueName[] {
  return Object.keys(QUEUE_SETTINGS).filter(isQueueName);
}

/** Whether a text is the default name of a queue. */
export function isQueueName(name: string): name is QueueName {
  return Object.hasOwn(QUEUE_SETTINGS, name);
}

/** The queue on the broker for each workflow; two workflows on one queue, or a key given twice, go into `faults`. */
export function readQueues(
  { parts }: { readonly parts: Readonly<Record<string, string | undefined>> | undefined },
  faults: Faults,
): ReadonlyMap<QueueName, string> {
  const given = { ...parts };
  const isUnknown = (key: string): boolean => faults.has(`queue_settings.${key}`);
  const unknown = new Set([...QUEUE_KEYS].filter(([key]) => isUnknown(key)).map(([, name]) => name));
  for (const [alias, name] of Object.entries(ALIASES)) {
    const key = QUEUE_SETTINGS[name];
    if (given[alias] === undefined) continue;
    if (given[key] !== undefined)
      faults.push({
        path: `queue_settings.${alias}`,
        msg: `means the same as ${key}: give one of them`,
      });
    given[key] = given[alias];
  }
  const queues = new Map<QueueName, string>();
  for (const workflow of queueNames()) {
    const key = QUEUE_SETTINGS[workflow];
    if (unknown.has(workflow)) continue;
    const queue = given[key] ?? workflow;
    const other = queues.entries().find(([, name]) => name === queue)?.[0];
    if (other !== undefined)
      faults.push({
        path: `queue_settings.${key}`,
        msg: `the queue ${queue} already serves ${other}: name another one`,
      });
    queues.set(workflow, queue);
  }
  return queues;
}
