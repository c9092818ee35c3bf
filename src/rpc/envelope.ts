import { type AppError, ERRORS } from "../errors.ts";

/** What every caller gets back. */
export interface Envelope {
  readonly resp_code: number;
  readonly resp_data: Readonly<Record<string, unknown>>;
}

/** The reply of a request that was done: 204 says that the list in it is empty. */
export function successEnvelope(respCode: 200 | 204, data: Readonly<Record<string, unknown>>): Envelope {
  return { resp_code: respCode, resp_data: data };
}

/** The reply of a request that failed: only what stands in the table of errors, no word of its cause. */
export function failureEnvelope(error: AppError): Envelope {
  return {
    resp_code: error.respCode,
    resp_data: {
      msg: ERRORS[error.code].msg,
      error: error.code,
      ...(error.fields === undefined ? {} : { fields: error.fields }),
      ...(error.reference === undefined ? {} : { reference: error.reference }),
    },
  };
}
