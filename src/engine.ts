import { createLogin } from "./auth/login.ts";
import { createPasswords } from "./auth/password.ts";
import { openSources } from "./auth/sources.ts";
import { ConfigError } from "./config/fault.ts";
import type { Config } from "./config/load.ts";
import { openDatabase } from "./db/database.ts";
import { pendingMigrations } from "./db/migrate.ts";
import type { Counters } from "./observability/counters.ts";
import type { Log } from "./observability/log.ts";
import { PROCEDURES } from "./procedures/index.ts";
import { createDispatcher, type Dispatcher } from "./rpc/dispatch.ts";
import { createRegistry, type Registry } from "./rpc/registry.ts";
import { createIssuer } from "./tokens/issuer.ts";
import { createValidator } from "./tokens/validator.ts";

/** Everything that answers requests, without a way for them to come in. */
export interface Engine {
  readonly registry: Registry;
  readonly dispatcher: Dispatcher;
  /** The migrations that the database still lacks; throws UNAVAILABLE when it cannot be asked. */
  pendingMigrations(): Promise<string[]>;
  /** Closes the database; may be called twice. */
  close(): Promise<void>;
}

/** The engine for a configuration with a signing key. */
export async function openEngine(config: Config, log: Log, counters: Counters): Promise<Engine> {
  const { app, signing } = config;
  if (signing === undefined) throw new ConfigError([{ path: "jwt_creation", msg: "is missing" }]);
  const issuer = await createIssuer(signing);
  const registry = createRegistry(PROCEDURES);
  const db = openDatabase(config.db);
  const passwords = createPasswords(app.bcrypt_cost);
  const sources = await openSources({ config, db, passwords, counters, log });
  const services = {
    app,
    db,
    issuer,
    validator: createValidator(signing, config.issuers),
    passwords,
    login: createLogin(db, passwords, sources),
    revalidate: sources.revalidate,
  };
  let closed: Promise<void> | undefined;
  return {
    registry,
    dispatcher: createDispatcher(registry, services, { log, maxRequestBytes: config.amqp.max_request_bytes }),
    pendingMigrations: () => pendingMigrations(db),
    close: () => (closed ??= Promise.all([sources.close(), db.destroy()]).then(() => undefined)),
  };
}
