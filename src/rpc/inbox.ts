import type { Database, Db, Trx } from "../db/database.ts";
import {
  findReply,
  findReplyToMessage,
  type NewReply,
  type RecordedReply,
  recordReply,
  replaceReply,
} from "../db/queries/inbox.ts";
import { withRetry } from "../db/transaction.ts";
import { AppError } from "../errors.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { QueueName } from "../wire/queues.ts";
import { asObject } from "./decode.ts";
import { type Envelope, failureEnvelope } from "./envelope.ts";
import { isSameBody, type RequestIdentity } from "./identity.ts";

/** The caller is written down for a person to read, and another issuer's users may have longer names. */
const MAX_CALLER = 100;

/** Another delivery of the same request was answered first: nothing of this one becomes real. */
export class AlreadyAnswered extends Error {
  override readonly name = "AlreadyAnswered";
}

/** What was answered to requests that have an effect, so that a repeat has the same answer and no second effect. */
export interface Inbox {
  /** The answer that this request has had; throws IDEMPOTENCY_CONFLICT when its key was another request's. */
  find(identity: RequestIdentity): Promise<Envelope | undefined>;
  /** The answer that this very message has had. */
  findByMessage(queue: QueueName, messageKey: Uint8Array): Promise<Envelope | undefined>;
  /** Remembers the answer together with the effect; throws AlreadyAnswered when there is one already. */
  record(trx: Trx, identity: RequestIdentity, answer: Envelope): Promise<void>;
  /** Remembers a refusal, within so many milliseconds; or gives the answer that the request had before. */
  refuse(identity: RequestIdentity, error: AppError, limit: number): Promise<Envelope | undefined>;
}

/** The inbox in a database. */
export function createInbox(db: Database, metrics: Metrics): Inbox {
  const envelopeOf = (queue: QueueName, { respCode, respData }: RecordedReply): Envelope => {
    metrics.count("inbox_hits_total", { queue });
    return { resp_code: respCode, resp_data: asObject(JSON.parse(respData)) };
  };
  const find = async (identity: RequestIdentity): Promise<Envelope | undefined> => {
    const answer = await findReply(db, identity.requestKey);
    if (answer === undefined) return undefined;
    if (!isSameBody(identity, answer.bodyHash)) throw new AppError("IDEMPOTENCY_CONFLICT");
    return envelopeOf(identity.queue, answer);
  };
  return {
    find,
    async findByMessage(queue, messageKey) {
      const answer = await findReplyToMessage(db, messageKey);
      return answer && envelopeOf(queue, answer);
    },
    async record(trx, identity, answer) {
      if ((await write(trx, identity, answer)) === "known") throw new AlreadyAnswered();
    },
    async refuse(identity, error, limit) {
      const outcome = await withRetry(() => write(db, identity, failureEnvelope(error)), limit);
      return outcome === "known" ? find(identity) : undefined;
    },
  };
}

function write(db: Db, identity: RequestIdentity, answer: Envelope): Promise<"recorded" | "known"> {
  const row = rowOf(identity, answer);
  return identity.mayRepeat ? recordReply(db, row) : replaceReply(db, row, identity.receivedAt);
}

function rowOf(identity: RequestIdentity, { resp_code, resp_data }: Envelope): NewReply {
  const { requestKey, messageKey, bodyHash, queue, caller, redelivered } = identity;
  return {
    requestKey,
    messageKey,
    bodyHash,
    queue,
    caller: caller.slice(0, MAX_CALLER),
    redelivered,
    respCode: resp_code,
    respData: JSON.stringify(resp_data),
  };
}
