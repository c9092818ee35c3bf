import { z } from "zod";
import { scopeFault } from "../broker-scopes.ts";

const scope = z.string().superRefine((entry, context) => {
  const msg = scopeFault(entry);
  if (msg !== undefined) context.addIssue({ code: "custom", message: msg });
});

const vhost = z
  .string()
  .min(1)
  .max(100)
  .refine((name) => name.isWellFormed(), "must be well-formed Unicode");

/** `broker_settings`: broker tokens, which users log in to RabbitMQ with. */
export const brokerSettings = z.strictObject({
  resource_server_id: z
    .string()
    .regex(/^[\w.:-]{1,100}$/, "must be 1 to 100 letters, digits, _ . : or -")
    .default("rabbitmq")
    .describe(
      "RabbitMQ's `auth_oauth2.resource_server_id`: the `aud` claim of broker tokens and the prefix of their scopes",
    ),
  scopes: z
    .record(z.string().min(1).max(100), z.array(scope).min(1))
    .refine((groups) => Object.keys(groups).length > 0, "must name at least one group, or * for all users")
    .describe(
      "broker permissions by group (`*`: all users), on the vhost of the session: " +
        "`read:`, `write:` or `configure:` with a name pattern (`*` matches any text), or `tag:`",
    ),
  vhosts: z
    .array(vhost)
    .min(1)
    .optional()
    .describe(
      "vhosts that broker tokens are issued for; by default `app_config.vhosts`, else `default_vhost`",
    ),
  token_valid_time: z
    .number()
    .positive()
    .max(525_600)
    .optional()
    .describe("lifetime of a broker token in minutes; by default `access_token_valid_time`"),
});
