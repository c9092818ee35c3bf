import { createLastUse } from "./auth/last-use.ts";
import { createLogin } from "./auth/login.ts";
import { preloadPasskeys } from "./auth/second-factor/passkeys.ts";
import { createChallenges } from "./auth/second-factor/challenges.ts";
import { createPasswords } from "./auth/password.ts";
import { createRefreshingBox } from "./auth/second-factor/refreshing-box.ts";
import { openSources, type Remote } from "./auth/sources.ts";
import { createThrottle } from "./auth/throttle.ts";
import { ConfigError } from "./config/fault.ts";
import type { EncryptionConfig } from "./config/encryption.ts";
import type { Config } from "./config/load.ts";
import { closeDatabase, openDatabase } from "./db/database.ts";
import { createLookups } from "./db/lookups.ts";
import { usableSchema } from "./db/migrate.ts";
import { ping } from "./db/queries/server.ts";
import type { SchemaState } from "./db/schema-state.ts";
import { assertWritable } from "./db/writes.ts";
import { cloudEventSink, type MessageSink } from "./events/cloud-event.ts";
import { createRelay, type Relay } from "./events/relay.ts";
import type { Log } from "./observability/log.ts";
import type { Metrics } from "./observability/metrics.ts";
import { PROCEDURES } from "./procedures/index.ts";
import { createInbox } from "./rpc/inbox.ts";
import { createPipeline, type Pipeline } from "./rpc/pipeline.ts";
import { startCleanup } from "./rpc/cleanup.ts";
import type { Fingerprints } from "./tokens/fingerprint.ts";
import type { JwkSet } from "./tokens/jwks.ts";
import { createTokens } from "./tokens/tokens.ts";
import { MAX_TOKEN_LENGTH } from "./wire/token-length.ts";

/** Processes requests, independent of the transport. */
export interface Engine {
  readonly pipeline: Pipeline;
  /** The remote login sources. */
  readonly remotes: readonly Remote[];
  /** Rejects if the database cannot be used. */
  ping(): Promise<void>;
  /** Rejects if the database cannot be written to. */
  assertWritable(): Promise<void>;
  /** The state of the database schema; throws ConfigError if it is unusable, UNAVAILABLE if it cannot be reached. */
  usableSchema(): Promise<SchemaState>;
  /** Starts the cleanup of expired rows. */
  startCleanup(): void;
  /** Starts to publish events to `sink`. */
  startRelay(sink: MessageSink): void;
  /** The current public keys. */
  jwks(): JwkSet;
  /**
   * Replaces the token keys, which running requests keep, and the encryption keys. Without `encryption` or `signing`, the
   * previous ones stay.
   */
  useKeys(keys: Pick<Config, "signing" | "issuers" | "encryption">): Promise<void>;
  /** Closes the database and login sources; may be called twice. */
  close(): Promise<void>;
}

/** Reads the encryption keys from the configuration again; throws ConfigError. */
export type ReadEncryptionKeys = () => EncryptionConfig | undefined;

/**
 * Opens the engine; the configuration needs a signing key. `readKeys` reads the encryption keys again when a stored secret
 * has an unknown one.
 */
export async function openEngine(
  config: Config,
  log: Log,
  metrics: Metrics,
  readKeys?: ReadEncryptionKeys,
): Promise<Engine> {
  const { app, signing } = config;
  if (signing === undefined) throw new ConfigError([{ path: "jwt_creation", msg: "is missing" }]);
  // Issued tokens must fit into a request, with a quarter of it left for other fields.
  const maxLength = Math.min(MAX_TOKEN_LENGTH, Math.floor(config.amqp.max_request_bytes * 0.75));
  let tokens = await createTokens(signing, config.issuers, maxLength);
  if (app.second_factor !== "off" && app.passkeys !== undefined) await preloadPasskeys();
  const db = openDatabase(config.db, metrics);
  const passwords = createPasswords(app, metrics);
  const sources = await openSources({ config, db, passwords, metrics, log });
  // Always uses the current keys, which useKeys() replaces.
  const fingerprints: Fingerprints = { of: (...parts) => tokens.fingerprints.of(...parts) };
  const lastUse = createLastUse(db, log);
  const boxWith = (keys: EncryptionConfig) => createRefreshingBox({ keys, readKeys, log });
  let secrets = config.encryption && boxWith(config.encryption);
  const services = {
    app,
    metrics,
    inbox: createInbox(db, metrics),
    fingerprints,
    secrets,
    db,
    lookups: createLookups(db, app.sessions_per_user, (sid) => lastUse.unwritten({ sid })),
    lastUse,
    // useKeys() replaces these properties; running requests keep their own copy of the services. Not getters, because
    // copying getters is slow.
    issuer: tokens.issuer,
    validator: tokens.validator,
    jwks: tokens.jwks,
    passwords,
    login: createLogin(db, passwords, sources),
    challenges: createChallenges({ db, app, secrets, confirm: sources.confirm }),
    throttle: createThrottle({ db, limits: app.login_throttle, fingerprints, metrics, log }),
    revalidate: sources.revalidate,
    announceEvents: () => relay?.wake(),
    showsNames: sources.remotes.length > 0,
  };
  let relay: Relay | undefined;
  let cleanup: ReturnType<typeof startCleanup> | undefined;
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await Promise.all([cleanup?.stop(), relay?.stop()]);
    await lastUse.close();
    await Promise.all([sources.close(), closeDatabase(db)]);
  };
  return {
    remotes: sources.remotes,
    ping: () => ping(db),
    assertWritable: () => assertWritable(db, config.db),
    pipeline: createPipeline(PROCEDURES, services, {
      log,
      maxRequestBytes: config.amqp.max_request_bytes,
      legacyReplies: config.amqp.legacy_replies,
    }),
    usableSchema: () => usableSchema(db, config.db),
    startCleanup() {
      cleanup = startCleanup(db, config, log);
    },
    jwks: () => tokens.jwks(),
    async useKeys({ signing: next, issuers, encryption }) {
      if (next !== undefined) tokens = await createTokens(next, issuers, maxLength);
      if (encryption !== undefined) {
        secrets ??= boxWith(encryption);
        secrets.useKeys(encryption);
      }
      const { issuer, validator, jwks } = tokens;
      Object.assign(services, { issuer, validator, jwks, secrets });
    },
    startRelay(sink) {
      relay = createRelay({ db, metrics, log, sink: cloudEventSink(sink, signing.issuer, fingerprints) });
      relay.start();
    },
    close: () => (closed ??= close()),
  };
}
