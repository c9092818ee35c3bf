import { createLastUse } from "../../src/auth/last-use.ts";
import { createLogin } from "../../src/auth/login.ts";
import { createPasswords } from "../../src/auth/password.ts";
import { createChallenges } from "../../src/auth/second-factor/challenges.ts";
import { createThrottle } from "../../src/auth/throttle.ts";
import type { AppConfig } from "../../src/config/schema.ts";
import { createLookups } from "../../src/db/lookups.ts";
import { AppError } from "../../src/errors.ts";
import { createLogTo } from "../../src/observability/log.ts";
import { createMetrics } from "../../src/observability/metrics.ts";
import { emptyNotes } from "../../src/observability/request-line.ts";
import type { Services } from "../../src/rpc/context.ts";
import { type Envelope, failureEnvelope, type Incoming } from "../../src/rpc/envelope.ts";
import { createInbox } from "../../src/rpc/inbox.ts";
import { createPipeline } from "../../src/rpc/pipeline.ts";
import type { Procedure } from "../../src/rpc/procedure.ts";
import { createTokens, type Tokens } from "../../src/tokens/tokens.ts";
import type { QueueName } from "../../src/wire/queues.ts";
import type { TestWorker } from "./worker.ts";

/** A pipeline of procedures that only a test has. */
export interface TestPipeline {
  readonly tokens: Tokens;
  /** Every line that it has logged so far. */
  readonly log: readonly string[];
  /** Handles a request without a broker. */
  ask(queue: QueueName, request: object): Promise<Envelope>;
  /** Handles a request as a message with this idempotency key. */
  askWithKey(key: string, queue: QueueName, request: object): Promise<Envelope | undefined>;
}

/** Opens a pipeline on the database and with the keys of a worker, whose settings `app` overrides. */
export async function openPipeline(
  { config, db }: TestWorker,
  procedures: readonly Procedure[],
  app: Partial<AppConfig> = {},
): Promise<TestPipeline> {
  const lines: string[] = [];
  const log = createLogTo({ write: (line) => void lines.push(line) }, "info");
  const metrics = createMetrics();
  const tokens = await createTokens(config.signing!, config.issuers);
  const settings = { ...config.app, ...app };
  const passwords = createPasswords(settings, metrics);
  const { issuer, validator, jwks, fingerprints } = tokens;
  const lastUse = createLastUse(db, log);
  const services: Services = {
    ...{ app: settings, db, metrics, issuer, validator, jwks, fingerprints, passwords },
    challenges: createChallenges({ db, app: settings, secrets: undefined, confirm: async () => false }),
    secrets: undefined,
    lookups: createLookups(db, settings.sessions_per_user, (sid) => lastUse.unwritten({ sid })),
    login: createLogin(db, passwords, {}),
    throttle: createThrottle({ db, limits: settings.login_throttle, fingerprints, metrics, log }),
    revalidate: async (session) => session,
    lastUse,
    inbox: createInbox(db, metrics),
    announceEvents: () => undefined,
    showsNames: false,
  };
  const pipeline = createPipeline(procedures, services, { log, maxRequestBytes: 65_536 });
  return {
    tokens,
    log: lines,
    async ask(queue, request) {
      try {
        return { resp_code: 200, resp_data: await pipeline.call(queue, request) };
      } catch (error) {
        if (error instanceof AppError) return failureEnvelope(error);
        throw error;
      }
    },
    askWithKey(key, queue, request) {
      const incoming: Incoming = {
        body: Buffer.from(JSON.stringify(request)),
        idempotencyKey: key,
        ...{ properties: [], userId: "", appId: "", correlationId: undefined, redelivered: false },
        receivedAt: new Date(),
        hasExpired: () => false,
        isHeld: async () => true,
        onLost: () => () => undefined,
        isCancelled: async () => false,
      };
      return pipeline.handle(queue, incoming, emptyNotes());
    },
  };
}
