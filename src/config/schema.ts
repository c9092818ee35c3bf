import { z } from "zod";
import { appConfig } from "./sections/app.ts";
import { amqpSettings } from "./sections/amqp.ts";
import type { BrokerTokenConfig } from "./broker-scopes.ts";
import { brokerSettings } from "./sections/broker.ts";
import { dbSettings } from "./sections/db.ts";
import { eventSettings } from "./sections/events.ts";
import { healthSettings } from "./sections/health.ts";
import { issuerSchema, jwtCreation } from "./sections/jwt.ts";
import { kerberosSettings } from "./sections/kerberos.ts";
import { ldapSettings } from "./sections/ldap.ts";
import { logSettings } from "./sections/log.ts";
import { queueSettings } from "./sections/queues.ts";

/** The sections of the configuration file, each strict, with defaults. */
export const SECTIONS = {
  jwt_validation: z.array(issuerSchema).default([]).describe("issuers whose access tokens are accepted"),
  jwt_creation: jwtCreation.optional().describe("how this installation signs its tokens"),
  ldap_settings: ldapSettings.optional().describe("the directory, where there is one"),
  kerberos_settings: kerberosSettings.optional().describe("the Kerberos realm, where there is one"),
  db_settings: dbSettings.prefault({}).describe("without it: SQLite in ./authmq.db"),
  amqp_settings: amqpSettings.prefault({}).describe("the broker"),
  broker_settings: brokerSettings
    .optional()
    .describe("tokens that the broker takes as passwords; none without it"),
  app_config: appConfig.prefault({}).describe("rules for accounts, names and tokens"),
  queue_settings: queueSettings.prefault({}).describe("other names for the queues"),
  log_settings: logSettings.prefault({}).describe("what is logged, and where to"),
  event_settings: eventSettings.prefault({}).describe("what is told of what happens, and where to"),
  health_settings: healthSettings
    .prefault({})
    .describe("address and port of the health and metrics endpoints"),
};

/** The whole configuration file. */
export const configSchema = z.strictObject(SECTIONS).meta({ title: "authmq configuration" });

/** The configuration file after validation, with every default filled in. */
export type Settings = z.output<typeof configSchema>;

/** Rules for accounts, names and tokens. */
export type AppConfig = Settings["app_config"] & {
  /** What stands in `password_blocklist`, folded. */
  readonly blockedPasswords?: ReadonlySet<string>;
  /** What `broker_settings` says; undefined where no broker tokens are given. */
  readonly brokerTokens?: BrokerTokenConfig | undefined;
};

/** Where and how to reach the broker. */
export type AmqpConfig = Settings["amqp_settings"];

/** What is told of what happens, and where to. */
export type EventConfig = Settings["event_settings"];

/** What is logged, and where to. */
export type LogConfig = Settings["log_settings"];

/** Where the directory is, and what of it counts. */
export type LdapSettings = NonNullable<Settings["ldap_settings"]>;

/** Where the Kerberos realm is. */
export type KerberosSettings = NonNullable<Settings["kerberos_settings"]>;
