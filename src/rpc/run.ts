import type { Writer } from "../accounts/writer.ts";
import type { Trx } from "../db/database.ts";
import { isSameName } from "../db/names.ts";
import type { AccountRow } from "../db/queries/accounts.ts";
import { lockGranted } from "../db/queries/granted.ts";
import { AppError } from "../errors.ts";
import { announceStage } from "../observability/stages.ts";
import { type Authorization, type CallerIdentity, refusalOf } from "./authorize.ts";
import { commit } from "./commit.ts";
import type { Services } from "./context.ts";
import { asObject } from "./decode.ts";
import { type Envelope, successEnvelope } from "./envelope.ts";
import type { RequestIdentity } from "./identity.ts";
import { AlreadyAnswered } from "./inbox.ts";
import { deleteAttemptsAt } from "./poison-messages.ts";
import type { InFlight } from "./in-flight.ts";

/** A valid request of an authorized caller. */
export interface Authorized extends Authorization {
  /** The account that the request names, if the procedure checks one. */
  readonly account: AccountRow | undefined;
  readonly input: Readonly<Record<string, unknown>>;
}

/** Runs the procedure. Its commit also records the reply, so that a replay returns the same one. */
export async function runHandler(
  services: Services,
  { procedure, message, isCancelled, deadline, notes }: InFlight,
  { input, refusal, ...identity }: Authorized,
  about: RequestIdentity | undefined,
): Promise<Envelope> {
  if (refusal !== undefined) throw refusal;
  const incoming = message?.incoming;
  /** The last output and its reply: the recorded and the returned reply must be the same. */
  let built: { readonly output: unknown; readonly reply: Envelope } | undefined;
  const replyWith = (output: unknown): Envelope => {
    if (built !== undefined && built.output === output) return built.reply;
    const data = procedure.output.parse(output);
    const reply = successEnvelope(procedure.isEmpty?.(data) === true ? 204 : 200, data);
    built = { output, reply };
    return reply;
  };
  const record = async (trx: Trx, output: unknown): Promise<void> => {
    // Clear the attempts in the same transaction: a committed request did not crash the worker.
    if (message?.incoming.redelivered === true) await deleteAttemptsAt(trx, message);
    if (about === undefined) return;
    const isStored = procedure.recall !== undefined;
    await services.inbox.record(
      trx,
      about,
      isStored ? successEnvelope(200, asObject(output)) : replyWith(output),
    );
  };
  /** Another delivery of this request may have used up what this one needs, such as a code: then its reply counts. */
  const orAnswered = async <T>(work: Promise<T>): Promise<T> =>
    work.catch(async (error: unknown) => {
      if (about?.mayReplay !== true || !(error instanceof AppError) || !isRefusal(error)) throw error;
      const reply = await services.inbox.find(about);
      throw reply === undefined ? error : new AlreadyAnswered(reply, { cause: error });
    });
  const context = {
    ...services,
    ...identity,
    isCancelled,
    notes,
    commit: async <T>(work: (writer: Writer) => Promise<T>): Promise<T> => {
      const actor = callerOf(identity) || null;
      const committed = commit({ db: services.db, deadline, incoming, record }, async (trx) => {
        await assertStillGranted(trx, services.app.admin_group, { ...identity, input });
        return work({ trx, actor });
      });
      const output = await orAnswered(committed);
      announceStage("committed", procedure.name, incoming?.correlationId);
      services.announceEvents();
      return output;
    },
  };
  return replyWith(await orAnswered(procedure.handler(context, input)));
}

/** Other errors are decided by the data, and recorded themselves. */
function isRefusal({ respCode }: AppError): boolean {
  return respCode === 401 || respCode === 403;
}

/** The caller's username; empty if unknown. */
export function callerOf({ caller, session, apiKey, setup }: CallerIdentity): string {
  return caller?.username ?? session?.username ?? apiKey?.username ?? setup?.username ?? "";
}

/**
 * Checks the caller again in the transaction of the effect: a session that was revoked, or an administrator who was
 * removed, must not change anything after the reply to that.
 */
async function assertStillGranted(
  trx: Trx,
  adminGroup: string,
  { caller, account, input }: Pick<Authorized, "caller" | "account" | "input">,
): Promise<void> {
  if (caller?.grant === undefined) return;
  const { username, isAdmin } = caller;
  const { username: named } = input;
  const state = await lockGranted(trx, caller.grant, {
    username,
    group: isAdmin ? adminGroup : undefined,
    changesAccount:
      account?.username === username || (typeof named === "string" && isSameName(named, username)),
  });
  if (state !== "alive") throw refusalOf(state);
}
