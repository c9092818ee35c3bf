import { AppError } from "../errors.ts";
import type { Services } from "./context.ts";
import { type Envelope, failureEnvelope } from "./envelope.ts";
import { identityOf, type RequestIdentity } from "./identity.ts";
import { AlreadyAnswered } from "./inbox.ts";
import { recalled } from "./recall.ts";
import { type Authorized, callerOf } from "./run.ts";
import { stepsOf } from "./steps.ts";
import type { InFlight } from "./in-flight.ts";

/**
 * Whether a refused request may have been processed before, and the refusal may be its own effect. Not for procedures
 * whose replies contain secrets.
 */
export function mayBeOwnEffect({ procedure, message }: InFlight): boolean {
  return message !== undefined && stepsOf(procedure).replay && procedure.recall === undefined;
}

/**
 * Returns the recorded reply of a request, if its procedure records replies; otherwise runs `work`, which gets the
 * identity to record its reply by.
 */
export async function replayed(
  services: Services,
  inFlight: InFlight,
  authorized: Authorized,
  work: (about: RequestIdentity | undefined) => Promise<Envelope>,
): Promise<Envelope> {
  const { procedure, message, deadline, notes } = inFlight;
  if (message === undefined || !stepsOf(procedure).replay) return work(undefined);
  const { inbox } = services;
  const about = identityOf(message, callerOf(authorized), authorized.input);
  const recall = (reply: Envelope): Promise<Envelope> => recalled(services, procedure, reply, notes);
  if (about.mayReplay) {
    const reply = await inbox.find(about).catch(async (error: unknown) => {
      if (authorized.refusal !== undefined) throw authorized.refusal;
      if (error instanceof AppError && error.code === "IDEMPOTENCY_CONFLICT")
        await payForHash(services, inFlight);
      throw error;
    });
    if (reply !== undefined) return recall(reply);
  }
  try {
    return await work(about);
  } catch (error) {
    if (error instanceof AlreadyAnswered) {
      const reply = error.reply ?? (await inbox.find(about));
      if (reply !== undefined) return recall(reply);
      throw new AppError("UNAVAILABLE", "the reply recorded by another delivery was deleted", {
        cause: error,
      });
    }
    if (!(error instanceof AppError) || !isDecidedByData(error)) throw error;
    if (error.detail !== undefined) notes.reason = error.detail;
    const earlier = await inbox.recordError(about, error, deadline.left);
    return earlier === undefined ? failureEnvelope(error) : recall(earlier);
  }
}

/** Costs as much as a login: a caller who knows a key could otherwise try passwords and codes at any speed. */
async function payForHash({ passwords }: Services, { procedure, isCancelled }: InFlight): Promise<void> {
  const isGuess = procedure.hashes === true || procedure.guesses !== undefined;
  if (procedure.access === "public" && isGuess) await passwords.verify("", null, isCancelled);
}

/** Errors decided by database state. Authorization is checked again on every attempt. */
function isDecidedByData({ respCode }: AppError): boolean {
  return [400, 404, 409].includes(respCode);
}
