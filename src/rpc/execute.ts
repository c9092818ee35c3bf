import type { z } from "zod";
import type { StillWanted } from "../auth/lane.ts";
import type { Writer } from "../accounts/writer.ts";
import type { Trx } from "../db/database.ts";
import { forgetAttempts } from "../db/queries/attempts.ts";
import { AppError } from "../errors.ts";
import type { RequestNotes } from "../observability/request-line.ts";
import { announceStage } from "../observability/stages.ts";
import { addressIn, authorize, type Identity } from "./authorize.ts";
import { commit } from "./commit.ts";
import type { Services } from "./context.ts";
import type { Deadline } from "./deadline.ts";
import { asObject } from "./decode.ts";
import { type Envelope, failureEnvelope, type Incoming, successEnvelope } from "./envelope.ts";
import { idempotencyKeyOf, identityOf, messageKeyOf, type RequestIdentity } from "./identity.ts";
import { AlreadyAnswered } from "./inbox.ts";
import { patternRejects } from "./pattern-rejects.ts";
import type { Procedure } from "./procedure.ts";
import { throttled } from "./throttled.ts";
import { type Valid, validate } from "./validate.ts";

/** A procedure with its input's schema by the rules of this installation. */
export interface Prepared {
  readonly procedure: Procedure;
  readonly input: z.ZodObject;
}

/** One request on its way. */
export interface Underway {
  readonly request: Readonly<Record<string, unknown>>;
  /** Undefined for a request that came over no transport. */
  readonly incoming: Incoming | undefined;
  readonly stillWanted: StillWanted;
  readonly deadline: Deadline;
  readonly notes: RequestNotes;
}

type Input = Readonly<Record<string, unknown>>;

/** Validates, authorises and runs a request, or finds the answer that it has had; throws AppError or Abandoned. */
export async function execute(services: Services, prepared: Prepared, underway: Underway): Promise<Envelope> {
  const { procedure } = prepared;
  const { incoming, notes } = underway;
  if (incoming !== undefined) idempotencyKeyOf(incoming); // a bad one is a fault of the request like any other
  const { input, token } = validated(services, prepared, underway);
  const identify = (identity: Identity): RequestIdentity | undefined =>
    incoming && identityOf(services.fingerprints, procedure.name, incoming, callerOf(identity), input);
  const identity = await authorize(services, procedure, { input, token, notes });
  const about = procedure.remembersAnswer === true ? identify(identity) : undefined;
  const answer = (): Promise<Envelope> =>
    about === undefined
      ? run(services, procedure, underway, { identity, about, input })
      : once(services, procedure, underway, { identity, about, input });
  const account = procedure.guesses?.(input);
  if (account === undefined) return answer();
  const origin = { userId: incoming?.userId ?? "", ip: addressIn(input) };
  return throttled(services.throttle, { account, origin, deadline: underway.deadline }, answer);
}

/** A valid request; the log learns which patterns reject a field. */
function validated(services: Services, { procedure, input }: Prepared, { request, notes }: Underway): Valid {
  try {
    return validate(procedure, input, request);
  } catch (error) {
    if (error instanceof AppError) notes.reason = patternRejects(error.fields ?? [], request, services);
    throw error;
  }
}

interface Authorised<About> {
  readonly identity: Identity;
  readonly about: About;
  readonly input: Input;
}

/** Runs a request whose answer is remembered, unless it has had one. */
async function once(
  services: Services,
  procedure: Procedure,
  underway: Underway,
  authorised: Authorised<RequestIdentity>,
): Promise<Envelope> {
  const { inbox } = services;
  const { about } = authorised;
  if (about.mayRepeat) {
    const answer = await inbox.find(about).catch(async (error: unknown) => {
      if (error instanceof AppError && error.code === "IDEMPOTENCY_CONFLICT")
        await payForHash(services, procedure, underway);
      throw error;
    });
    if (answer !== undefined) return recalled(services, procedure, answer, underway.notes);
  }
  try {
    return await run(services, procedure, underway, authorised);
  } catch (error) {
    if (error instanceof AlreadyAnswered) {
      const answer = await inbox.find(about);
      if (answer !== undefined) return recalled(services, procedure, answer, underway.notes);
      throw new AppError("UNAVAILABLE", "the answer of another delivery is gone", { cause: error });
    }
    if (error instanceof AppError && isAnswer(error)) {
      if (error.detail !== undefined) underway.notes.reason = error.detail;
      const earlier = await inbox.refuse(about, error, underway.deadline.left);
      return earlier === undefined
        ? failureEnvelope(error)
        : recalled(services, procedure, earlier, underway.notes);
    }
    throw error;
  }
}

/** The answer that is made of what was remembered. */
export async function recalled(
  services: Services,
  procedure: Procedure,
  answer: Envelope,
  notes: RequestNotes,
): Promise<Envelope> {
  notes.isRepeat = true;
  if (procedure.recall === undefined || answer.resp_code !== 200) return answer;
  return successEnvelope(
    200,
    procedure.output.parse(await procedure.recall({ ...services, notes }, answer.resp_data)),
  );
}

/** Whoever knows a key could else try which password belongs to it, faster than bcrypt lets anybody guess. */
async function payForHash(
  { passwords }: Services,
  { access, hashes }: Procedure,
  { stillWanted }: Underway,
): Promise<void> {
  if (access === "public" && hashes === true) await passwords.verify("", null, stillWanted);
}

async function run(
  services: Services,
  procedure: Procedure,
  { incoming, stillWanted, deadline, notes }: Underway,
  { identity, about, input }: Authorised<RequestIdentity | undefined>,
): Promise<Envelope> {
  const answer = (output: unknown): Envelope => {
    const data = procedure.output.parse(output);
    return successEnvelope(procedure.isEmpty?.(data) === true ? 204 : 200, data);
  };
  const record = async (trx: Trx, output: unknown): Promise<void> => {
    // With the effect: what was done did not end the process.
    if (incoming?.redelivered === true)
      await forgetAttempts(trx, messageKeyOf(services.fingerprints, procedure.name, incoming));
    if (about === undefined) return;
    const isStored = procedure.recall !== undefined;
    await services.inbox.record(
      trx,
      about,
      isStored ? successEnvelope(200, asObject(output)) : answer(output),
    );
  };
  const context = {
    ...services,
    ...identity,
    stillWanted,
    notes,
    commit: async <T>(work: (writer: Writer) => Promise<T>): Promise<T> => {
      const actor = callerOf(identity) || null;
      const output = await commit({ db: services.db, deadline, incoming, record }, (trx) =>
        work({ trx, actor }),
      );
      announceStage("committed", procedure.name, incoming?.correlationId);
      services.announceEvents();
      return output;
    },
  };
  return answer(await procedure.handler(context, input));
}

/** Refusals that what is in the database decides; who may do what is looked at anew each time. */
function isAnswer({ respCode }: AppError): boolean {
  return [400, 404, 409].includes(respCode);
}

function callerOf({ caller, session }: Identity): string {
  return caller?.username ?? session?.username ?? "";
}
