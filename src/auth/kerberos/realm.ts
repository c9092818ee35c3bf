import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KerberosConfig } from "../../config/kerberos.ts";
import { AppError, messageOf } from "../../errors.ts";
import type { Metrics } from "../../observability/metrics.ts";
import { annotate, traced } from "../../observability/tracing.ts";
import { createConcurrencyLimiter, type CancellationCheck } from "../concurrency-limiter.ts";
import { servicePrincipal } from "./environment.ts";
import { type HelperAnswer, KerberosHelper, type Question } from "./helper-client.ts";
import { kinit } from "./kinit.ts";
import { classify, classifyTicket, type KerberosReason } from "./reason.ts";

/** So many questions to the KDC at once, each a process of its own. */
const PROCESSES = 4;

/** When none of them moved for so many milliseconds, those that wait are not kept waiting. */
const STALL_TIMEOUT = 1000;

/** The whole principal that was proven, and what to send to its client; or why nobody was. */
export type RealmVerdict =
  | { readonly ok: true; readonly principal: string; readonly response: string | undefined }
  | { readonly ok: false; readonly reason: KerberosReason };

/** Asks the Kerberos realm about users; rejects with UNAVAILABLE when it cannot say. */
export interface Realm {
  /** Whether the password is that of the user, by a KDC that knows this service's key. */
  checkPassword(username: string, password: string, isCancelled: CancellationCheck): Promise<RealmVerdict>;
  /** Whom a client's SPNEGO token (RFC 4178) in base64 names. */
  acceptTicket(ticket: string): Promise<RealmVerdict>;
  /** Gets a ticket by the keytab and accepts it: proves package, keytab, KDC and clock. Rejects with what is wrong. */
  checkItself(): Promise<void>;
  /** What kept the latest question from an answer, without names of users; undefined when nothing did. */
  readonly fault: string | undefined;
  /** Rejects with what is wrong with package or keytab, as far as that shows without the KDC. */
  open(): Promise<void>;
  /** Complete on return, and may be called twice. */
  close(): Promise<void>;
}

/** The configured realm; nothing is asked before the first question. */
export function createRealm(config: KerberosConfig, metrics?: Metrics): Realm {
  const helper = new KerberosHelper(config);
  const closing = new AbortController();
  const folder = mkdtempSync(join(tmpdir(), "authmq-kerberos-"));
  const stallTimeout = {
    limit: STALL_TIMEOUT,
    giveUp: () => new AppError("UNAVAILABLE", "kerberos: all questions to the KDC hang"),
  };
  const limiter = createConcurrencyLimiter(PROCESSES, stallTimeout, (seconds) => {
    metrics?.observe("lane_wait_seconds", seconds, { lane: "kerberos" });
    annotate("authmq.lane.wait_ms", seconds * 1000);
  });
  let fault: string | undefined;
  const noted = async (verdict: Promise<RealmVerdict>, username?: string): Promise<RealmVerdict> => {
    try {
      const result = await verdict;
      fault = undefined;
      return result;
    } catch (error) {
      if (error instanceof AppError)
        fault = username === undefined ? error.message : error.message.replaceAll(username, "a user");
      throw error;
    }
  };
  const unavailable = (detail: string, cause?: unknown): AppError =>
    new AppError("UNAVAILABLE", `kerberos: ${detail}`, { cause });
  const orUnavailable = (error: unknown): never => {
    throw unavailable(messageOf(error), error);
  };
  const ask = (question: Question): Promise<HelperAnswer> =>
    traced({ name: "Kerberos accept" }, () => helper.ask(question, config.timeout_ms).catch(orUnavailable));

  /** A ticket from the KDC proves nothing until the keytab has opened it: a false KDC can issue one, too. */
  const prove = async (principal: string, password?: string): Promise<RealmVerdict> => {
    const cache = join(folder, randomUUID());
    try {
      const secret = password === undefined ? {} : { password };
      const options = { principal, cache, timeout: config.timeout_ms, signal: closing.signal };
      const got = await traced({ name: "Kerberos kinit", kind: "client" }, () =>
        kinit(config, { ...options, ...secret }).catch(orUnavailable),
      );
      if (!got.ok) {
        const reason = classify(got.text);
        if (reason === undefined) throw unavailable(got.text);
        return { ok: false, reason };
      }
      const answer = await ask({ kind: "cache", cache });
      if (!answer.ok || answer.username !== principal) {
        const what = answer.ok ? `it names ${answer.username}` : answer.fault;
        throw unavailable(
          `the KDC's ticket for ${principal} is not believed (${what}): the keytab is old, a clock is wrong, or the KDC is false`,
        );
      }
      return { ok: true, principal, response: undefined };
    } finally {
      rmSync(cache, { force: true });
    }
  };
  const accept = async (ticket: string): Promise<RealmVerdict> => {
    const answer = await ask({ kind: "ticket", ticket });
    if (answer.ok) return { ok: true, principal: answer.username, response: answer.response ?? undefined };
    const reason = answer.stage === "server" ? classifyTicket(answer.fault) : undefined;
    if (reason === undefined) throw unavailable(answer.fault);
    return { ok: false, reason };
  };
  return {
    get fault() {
      return fault;
    },
    checkPassword: (username, password, isCancelled) =>
      noted(
        traced({ name: "ask KDC" }, () =>
          limiter.run(isCancelled, () => prove(`${username}@${config.realm}`, password)),
        ),
        username,
      ),
    acceptTicket: (ticket) => noted(accept(ticket)),
    async checkItself() {
      const verdict = await prove(servicePrincipal(config));
      if (!verdict.ok) throw new Error(verdict.reason.text);
    },
    async open() {
      // No ticket at all: what the answer says before it gets to that is what matters.
      const answer = await helper.ask({ kind: "ticket", ticket: "" }, config.timeout_ms);
      if (!answer.ok && answer.stage !== "server") throw new Error(answer.fault);
    },
    async close() {
      closing.abort();
      await helper.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
