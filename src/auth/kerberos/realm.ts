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
import { type HelperAnswer, type HelperTask, KerberosHelper } from "./helper-client.ts";
import { kinit } from "./kinit.ts";
import { classify, classifyTicket, type KerberosReason } from "./reason.ts";

/** Concurrent requests to the KDC, each in its own process. */
const PROCESSES = 4;

/** If no request starts or ends for this many milliseconds, waiting requests are rejected. */
const STALL_TIMEOUT = 1000;

/** The verified principal and the reply token for its client, or the reason for the refusal. */
export type RealmVerdict =
  | { readonly ok: true; readonly principal: string; readonly response: string | undefined }
  | { readonly ok: false; readonly reason: KerberosReason };

/** Verifies users of the Kerberos realm; rejects with UNAVAILABLE if the realm cannot decide. */
export interface Realm {
  /** Verifies a password at the KDC, and that the KDC knows this service's key. */
  checkPassword(username: string, password: string, isCancelled: CancellationCheck): Promise<RealmVerdict>;
  /** Verifies a client's SPNEGO token (RFC 4178) in base64. */
  acceptTicket(ticket: string): Promise<RealmVerdict>;
  /** Gets a ticket with the keytab and verifies it: tests package, keytab, KDC and clock. Rejects with the reason. */
  checkItself(): Promise<void>;
  /** Why the latest request failed, without usernames; undefined if it did not. */
  readonly fault: string | undefined;
  /** Checks package and keytab without the KDC; rejects with the reason. */
  open(): Promise<void>;
  /** Complete on return, and may be called twice. */
  close(): Promise<void>;
}

/** Creates the realm; sends no request before the first check. */
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
  const recordFault = async (verdict: Promise<RealmVerdict>, username?: string): Promise<RealmVerdict> => {
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
  const ask = (task: HelperTask): Promise<HelperAnswer> =>
    traced({ name: "Kerberos accept" }, () => helper.ask(task, config.timeout_ms).catch(orUnavailable));

  /** Verifies the KDC's ticket with the keytab too, because a fake KDC can also issue tickets. */
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
          `the KDC's ticket for ${principal} is not believed (${what}): the keytab is old, a clock is wrong, ` +
            `or the KDC is false`,
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
      recordFault(
        traced({ name: "ask KDC" }, () =>
          limiter.run(isCancelled, () => prove(`${username}@${config.realm}`, password)),
        ),
        username,
      ),
    acceptTicket: (ticket) => recordFault(accept(ticket)),
    async checkItself() {
      const verdict = await prove(servicePrincipal(config));
      if (!verdict.ok) throw new Error(verdict.reason.text);
    },
    async open() {
      // An empty ticket fails at the stage "server", after package and keytab were loaded.
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
