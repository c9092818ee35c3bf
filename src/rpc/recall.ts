import type { RequestNotes } from "../observability/request-line.ts";
import type { Services } from "./context.ts";
import { type Envelope, successEnvelope } from "./envelope.ts";
import type { Procedure } from "./procedure.ts";

/** Builds the reply from the recorded one. */
export async function recalled(
  services: Services,
  procedure: Procedure,
  reply: Envelope,
  notes: RequestNotes,
): Promise<Envelope> {
  notes.isReplay = true;
  if (procedure.recall === undefined || reply.resp_code !== 200) return reply;
  return successEnvelope(
    200,
    procedure.output.parse(await procedure.recall({ ...services, notes }, reply.resp_data)),
  );
}
