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

/** Length of the column; users of other issuers may have longer names. Only people read it. */
const MAX_CALLER = 100;

/** Another delivery of the same request was answered first: this transaction is rolled back. */
export class AlreadyAnswered extends Error {
  override readonly name = "AlreadyAnswered";
  /** The recorded reply, if it is known. */
  readonly reply: Envelope | undefined;

  constructor(reply?: Envelope, options: ErrorOptions = {}) {
    super("another delivery of this request was answered first", options);
    this.reply = reply;
  }
}

/** Recorded replies for idempotent replay: a retry gets the same reply and has no second effect. */
export interface Inbox {
  /** The recorded reply to a request; throws IDEMPOTENCY_CONFLICT if another request used its key. */
  find(identity: RequestIdentity): Promise<Envelope | undefined>;
  /** The recorded reply to this message. */
  findByMessage(queue: QueueName, messageKey: Uint8Array): Promise<Envelope | undefined>;
  /** Records the reply in the transaction of the effect; throws AlreadyAnswered if there already is one. */
  record(trx: Trx, identity: RequestIdentity, reply: Envelope): Promise<void>;
  /** Records an error reply, with retries for `limit` milliseconds; returns an earlier reply if there is one. */
  recordError(identity: RequestIdentity, error: AppError, limit: number): Promise<Envelope | undefined>;
}

/** Creates the inbox in a database. */
export function createInbox(db: Database, metrics: Metrics): Inbox {
  const envelopeOf = (queue: QueueName, { respCode, respData }: RecordedReply): Envelope => {
    metrics.count("inbox_hits_total", { queue });
    return { resp_code: respCode, resp_data: asObject(JSON.parse(respData)) };
  };
  const find = async (identity: RequestIdentity): Promise<Envelope | undefined> => {
    const reply = await findReply(db, identity.requestKey);
    if (reply === undefined) return undefined;
    if (!isSameBody(identity, reply.bodyHash)) throw new AppError("IDEMPOTENCY_CONFLICT");
    return envelopeOf(identity.queue, reply);
  };
  return {
    find,
    async findByMessage(queue, messageKey) {
      const reply = await findReplyToMessage(db, messageKey);
      return reply && envelopeOf(queue, reply);
    },
    async record(trx, identity, reply) {
      if ((await write(trx, identity, reply)) === "known") throw new AlreadyAnswered();
    },
    async recordError(identity, error, limit) {
      const outcome = await withRetry(() => write(db, identity, failureEnvelope(error)), limit);
      return outcome === "known" ? find(identity) : undefined;
    },
  };
}

function write(db: Db, identity: RequestIdentity, reply: Envelope): Promise<"recorded" | "known"> {
  const row = rowOf(identity, reply);
  return identity.mayReplay ? recordReply(db, row) : replaceReply(db, row, identity.receivedAt);
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
