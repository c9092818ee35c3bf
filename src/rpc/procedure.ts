import { z } from "zod";
import type { AppConfig } from "../config/schema.ts";
import { type ErrorCode, ERRORS } from "../errors.ts";
import type { QueueName } from "../wire/queues.ts";
import type { Access, Context, Services } from "./context.ts";

/** A workflow: its queue, authorization, request, reply and handler. */
export interface Procedure<
  Name extends QueueName = QueueName,
  A extends Access = Access,
  Input extends z.ZodObject = z.ZodObject,
  Output extends z.ZodObject = z.ZodObject,
> {
  /** The default name of its queue. */
  readonly name: Name;
  /** Its key in `queue_settings`, for another queue name. */
  readonly key: string;
  /** Its place in `createAuth` and the client: `auth[namespace][method]`. */
  readonly namespace: "session" | "user" | "group" | "audit";
  readonly method: string;
  /** One sentence for the documentation. */
  readonly description: string;
  /** Enforced by the pipeline, so that no handler can forget it. */
  readonly access: A;
  /** Whether it hashes a password; then the concurrency limit for hashing applies. */
  readonly hashes?: boolean;
  /** Whether it may wait for a directory; then it must not delay requests that need none. */
  readonly asksDirectory?: boolean;
  /**
   * Whether its reply is recorded: a retry gets the recorded reply and has no second effect. Otherwise a retry runs
   * again.
   */
  readonly remembersAnswer?: boolean;
  /** What the installation must have turned on; otherwise the reply is SECOND_FACTOR_OFF or PASSKEYS_OFF. */
  readonly requires?: "second_factor" | "passkeys";
  /**
   * Whether the login of the caller's access token must be within `reauthentication_time`. `isOwn`: the request names
   * nobody, or the caller.
   */
  needsRecentLogin?(input: z.output<Input>, about: { readonly isOwn: boolean }): boolean;
  /** The account whose password or second factor the request tries, if any: then rate limiting applies. */
  guesses?(input: z.output<Input>, services: Services): string | undefined | Promise<string | undefined>;
  /** Builds the reply from the recorded commit result, if the reply itself must not be stored. */
  recall?(
    context: Services & Pick<Context, "notes">,
    stored: Readonly<Record<string, unknown>>,
  ): Promise<z.output<Output>>;
  /** Error codes of its handler, in addition to those that `errorsOf` adds. */
  readonly errors?: readonly ErrorCode[];
  /** The schema of the request without its token, for this configuration. */
  input(app: AppConfig): Input;
  readonly output: Output;
  /** An example request without its token, and its reply, for the documentation. */
  readonly example: { readonly request: z.input<Input>; readonly reply: z.output<Output> };
  /** Whether the reply's list is empty: then `resp_code` is 204 instead of 200. */
  isEmpty?(output: z.output<Output>): boolean;
  handler(context: Context<A>, input: z.output<Input>): Promise<z.output<Output>>;
}

/** The request of a procedure, with the token that its access requires. */
export type RequestOf<P extends Procedure> = OrNull<
  FieldsOf<z.input<ReturnType<P["input"]>>> & TokenOf<P["access"]>
>;

/** `null` counts as absent, so optional fields also accept null. */
type OrNull<Fields> = {
  [Name in keyof Fields]: undefined extends Fields[Name] ? Fields[Name] | null : Fields[Name];
};

/** zod types an empty object as one without any keys, which rejects the token field. */
type FieldsOf<Input> = string extends keyof Input ? unknown : Input;

/** The `resp_data` of a successful procedure. */
export type ReplyOf<P extends Procedure> = z.output<P["output"]>;

type TokenOf<A extends Access> = A extends "public"
  ? unknown
  : A extends "id_token_or_api_key"
    ? { id_token?: string | null | undefined; api_key?: string | null | undefined }
    : A extends "any_id_token"
      ? { id_token: string }
      : A extends "optional"
        ? { access_token?: string | undefined }
        : A extends "enrolment"
          ? { access_token?: string | null | undefined; setup_token?: string | null | undefined }
          : { access_token: string };

/** Errors that any request can return. */
const ERRORS_OF_ALL: readonly ErrorCode[] = [
  "INVALID_JSON",
  "INVALID_INPUT",
  "REQUEST_TOO_LARGE",
  "INTERNAL",
  "UNAVAILABLE",
];

/** Defines a procedure; the compiler checks that its parts fit together. */
export function defineProcedure<
  Name extends QueueName,
  A extends Access,
  Input extends z.ZodObject,
  Output extends z.ZodObject,
>(procedure: Procedure<Name, A, Input, Output>): Procedure<Name, A, Input, Output> {
  return procedure;
}

/** A request field that identifies the caller. */
export type TokenField = "id_token" | "api_key" | "access_token" | "setup_token";

/** The request fields for the token of an access level; a request has one of them. */
export function tokenFields(access: Access): readonly TokenField[] {
  if (access === "public") return [];
  if (access === "id_token_or_api_key") return ["id_token", "api_key"];
  if (access === "enrolment") return ["access_token", "setup_token"];
  return access === "any_id_token" ? ["id_token"] : ["access_token"];
}

/** All error codes that a procedure can return, in the order of the table. */
export function errorsOf(procedure: Procedure): ErrorCode[] {
  const { access, errors = [], remembersAnswer, requires } = procedure;
  const possible = new Set<string>([...ERRORS_OF_ALL, ...errors]);
  if (access !== "public") possible.add("INVALID_TOKEN");
  if (tokenFields(access).includes("access_token")) possible.add("ACCOUNT_NOT_ACTIVATED");
  if (access === "admin" || access === "self" || access === "enrolment") possible.add("FORBIDDEN");
  if (procedure.needsRecentLogin !== undefined) possible.add("REAUTHENTICATION_REQUIRED");
  if (requires !== undefined) possible.add("SECOND_FACTOR_OFF");
  if (requires === "passkeys") possible.add("PASSKEYS_OFF");
  if (procedure.guesses !== undefined) possible.add("TOO_MANY_ATTEMPTS");
  if (remembersAnswer === true) possible.add("IDEMPOTENCY_CONFLICT");
  return Object.keys(ERRORS).filter((code): code is ErrorCode => possible.has(code));
}

/** The schema of a complete request, for documentation: input and token. */
export function requestSchema(procedure: Procedure, app: AppConfig): z.ZodObject {
  const { access } = procedure;
  const fields = tokenFields(access);
  const input = procedure.input(app);
  // `extend` drops the alternatives of an input.
  if (fields.length === 0) return input;
  const isOptional = access === "optional" || fields.length > 1;
  const tokens = fields.map((field) => {
    const token = z.string().describe(ORIGINS[field]);
    return [field, isOptional ? token.optional() : token];
  });
  const schema = input.extend(Object.fromEntries(tokens));
  // One of several; as JSON Schema, because a refinement cannot appear in the published schema.
  return fields.length > 1 ? schema.meta({ anyOf: fields.map((field) => ({ required: [field] })) }) : schema;
}

const ORIGINS: Readonly<Record<TokenField, string>> = {
  id_token: "from `login`",
  api_key: "from `api_key_create`, instead of id_token",
  access_token: "from `token`",
  setup_token: "from `login`, instead of access_token, to set up the first second factor",
};
