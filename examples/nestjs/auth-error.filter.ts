import { AuthError, NoReplyError } from "@authmq/client";
import { Catch, type RpcExceptionFilter } from "@nestjs/common";
import { type Observable, throwError } from "rxjs";

/** Sends errors of authmq's client to the caller of a microservice; without it, the caller gets "Internal server error". */
@Catch(AuthError, NoReplyError)
export class AuthErrorFilter implements RpcExceptionFilter<AuthError | NoReplyError> {
  catch(error: AuthError | NoReplyError): Observable<never> {
    const { code, message } = error;
    const { respCode, retryAfter, fields } = error instanceof AuthError ? error : { respCode: 503 };
    return throwError(() => ({ code, respCode, message, retryAfter, fields }));
  }
}
