import type { FieldFault, LoginStep, SecondFactorMethod } from "../errors.ts";
import { AuthError } from "./errors.ts";

/** A worker's reply. */
export interface RpcReply {
  readonly resp_code: number;
  readonly resp_data: unknown;
}

/** Parses a reply; undefined when it is malformed. */
export function parseReply(text: string): RpcReply | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (!isObject(value) || typeof value["resp_code"] !== "number" || !("resp_data" in value))
      return undefined;
    return { resp_code: value["resp_code"], resp_data: value["resp_data"] };
  } catch {
    return undefined;
  }
}

/** Whether a reply reports success: a code of 2xx. */
export function isSuccess({ resp_code: code }: RpcReply): boolean {
  return code >= 200 && code < 300;
}

/** The error in a reply. */
export function errorOf({ resp_code: code, resp_data: data }: RpcReply): AuthError {
  const { msg, error, fields, retry_after: retryAfter, reference } = isObject(data) ? data : {};
  return new AuthError(code, typeof msg === "string" ? msg : `the request failed with resp_code ${code}`, {
    code: typeof error === "string" ? error : "INTERNAL",
    fields: Array.isArray(fields) ? fields.filter(isFieldFault) : undefined,
    retryAfter: typeof retryAfter === "number" ? retryAfter : undefined,
    reference: typeof reference === "string" ? reference : undefined,
    loginStep: isObject(data) ? loginStepIn(data) : undefined,
  });
}

function loginStepIn(data: Readonly<Record<string, unknown>>): LoginStep {
  const { challenge, methods, passkey_options: options, setup_token: token } = data;
  return {
    ...(typeof challenge === "string" ? { challenge } : {}),
    ...(Array.isArray(methods) ? { methods: methods.filter(isMethod) } : {}),
    ...(isObject(options) ? { passkey_options: options } : {}),
    ...(typeof token === "string" ? { setup_token: token } : {}),
  };
}

function isMethod(value: unknown): value is SecondFactorMethod {
  return value === "totp" || value === "passkey" || value === "recovery_code";
}

function isFieldFault(value: unknown): value is FieldFault {
  return isObject(value) && typeof value["path"] === "string" && typeof value["msg"] === "string";
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
