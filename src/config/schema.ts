import { z } from "zod";
import { appConfig } from "./sections/app.ts";
import { amqpSettings } from "./sections/amqp.ts";
import type { BrokerTokenConfig } from "./broker-scopes.ts";
import { brokerSettings } from "./sections/broker.ts";
import { dbSettings } from "./sections/db.ts";
import { encryptionKeys } from "./sections/encryption.ts";
import { eventSettings } from "./sections/events.ts";
import { healthSettings } from "./sections/health.ts";
import { issuerSchema, jwtCreation } from "./sections/jwt.ts";
import { kerberosSettings } from "./sections/kerberos.ts";
import { ldapSettings } from "./sections/ldap.ts";
import { logSettings } from "./sections/log.ts";
import { queueSettings } from "./sections/queues.ts";

/** The sections of the configuration file, with defaults; unknown keys are errors. */
export const SECTIONS = {
  jwt_validation: z
    .array(issuerSchema)
    .default([])
    .describe("trusted issuers of access tokens, besides authmq itself"),
  jwt_creation: jwtCreation.optional().describe("how authmq signs its tokens"),
  encryption_keys: encryptionKeys
    .optional()
    .describe("keys that encrypt TOTP secrets; required unless `app_config.second_factor` is `off`"),
  ldap_settings: ldapSettings.optional().describe("directory (LDAP, Active Directory); optional"),
  kerberos_settings: kerberosSettings.optional().describe("Kerberos realm; optional"),
  db_settings: dbSettings.prefault({}).describe("database; by default SQLite in ./authmq.db"),
  amqp_settings: amqpSettings.prefault({}).describe("broker"),
  broker_settings: brokerSettings
    .optional()
    .describe("broker tokens, which users log in to RabbitMQ with; optional"),
  app_config: appConfig.prefault({}).describe("rules for accounts, names and tokens"),
  queue_settings: queueSettings.prefault({}).describe("names of the queues"),
  log_settings: logSettings.prefault({}).describe("log level and destination"),
  event_settings: eventSettings.prefault({}).describe("published events and the audit log"),
  health_settings: healthSettings
    .prefault({})
    .describe("address and port of the health and metrics endpoints"),
};

/** The whole configuration file. */
export const configSchema = z.strictObject(SECTIONS).meta({ title: "authmq configuration" });

/** The validated configuration file with all defaults. */
export type Settings = z.output<typeof configSchema>;

/** Rules for accounts, names and tokens. */
export type AppConfig = Settings["app_config"] & {
  /** The passwords in `password_blocklist`, folded. */
  readonly blockedPasswords?: ReadonlySet<string>;
  /** From `broker_settings`; undefined if no broker tokens are issued. */
  readonly brokerTokens?: BrokerTokenConfig | undefined;
};

/** The connection to the broker. */
export type AmqpConfig = Settings["amqp_settings"];

/** Published events and the audit log. */
export type EventConfig = Settings["event_settings"];

/** Log level and destination. */
export type LogConfig = Settings["log_settings"];

/** The directory. */
export type LdapSettings = NonNullable<Settings["ldap_settings"]>;

/** The Kerberos realm. */
export type KerberosSettings = NonNullable<Settings["kerberos_settings"]>;
