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

/** `broker_settings`: what the broker itself lets users do. */
export const brokerSettings = z.strictObject({
  resource_server_id: z
    .string()
    .regex(/^[\w.:-]{1,100}$/, "must be 1 to 100 letters, digits, _ . : or -")
    .default("rabbitmq")
    .describe(
      "the broker's auth_oauth2.resource_server_id: aud of broker tokens, and what their scopes begin with",
    ),
  scopes: z
    .record(z.string().min(1).max(100), z.array(scope).min(1))
    .refine((groups) => Object.keys(groups).length > 0, "must name a group, or * for everybody")
    .describe(
      "what the members of each group may do on the vhost of their session (* for everybody): " +
        "read:, write: or configure: with names, where * is any text, or tag:",
    ),
  vhosts: z
    .array(vhost)
    .min(1)
    .optional()
    .describe("where broker tokens are given; app_config.vhosts unless given, or else default_vhost alone"),
  token_valid_time: z
    .number()
    .positive()
    .max(525_600)
    .optional()
    .describe("minutes; access_token_valid_time unless given"),
});
