import { AuthError, NoReplyError, TokenError } from "@authmq/client";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";

/** Replies with the HTTP status of an error. The log gets the details of 5xx, the browser does not. */
export function replyWithError(
  error: AuthError | NoReplyError | TokenError | FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  // authmq's errors have an HTTP status in respCode: 502, 503 and 504 if there was no reply.
  const status = ("respCode" in error ? error.respCode : error.statusCode) ?? 500;
  const { fields, retryAfter, reference } = error instanceof AuthError ? error : {};
  if (retryAfter !== undefined) reply.header("retry-after", retryAfter);
  if (status < 500) return reply.code(status).send({ error: error.code, msg: error.message, fields });
  // Only these members: an error of a library might hold the request with its cookies.
  request.log.error({ code: error.code, reference, stack: error.stack }, error.message);
  const code = "respCode" in error ? error.code : "INTERNAL";
  return reply.code(status).send({ error: code, msg: "try again later", reference });
}
