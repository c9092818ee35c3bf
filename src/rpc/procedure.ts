import { z } from "zod";
import type { AppConfig } from "../config/schema.ts";
import { type ErrorCode, ERRORS } from "../errors.ts";
import type { QueueName } from "../wire/queues.ts";
import type { Access, Context, Services } from "./context.ts";

/** One workflow: its queue, who may call it, what it takes and gives, and what it does. */
export interface Procedure<
  Name extends QueueName = QueueName,
  A extends Access = Access,
  Input extends z.ZodObject = z.ZodObject,
  Output extends z.ZodObject = z.ZodObject,
> {
  /** The default name of its queue. */
  readonly name: Name;
  /** In `queue_settings`, for another name of the queue. */
  readonly key: string;
  /** Where its method is in `createAuth` and the client: `auth[namespace][method]`. */
  readonly namespace: "session" | "user" | "group" | "audit";
  readonly method: string;
  /** One sentence for the documentation. */
  readonly description: string;
  /** Enforced before the handler runs, so that no handler can forget it. */
  readonly access: A;
  /** Whether it hashes a password, behind the concurrency limit for that. */
  readonly hashes?: boolean;
  /** Whether it may wait for a directory where there is one, and then must not hold up requests that need none. */
  readonly asksDirectory?: boolean;
  /** Whether its answer is remembered: then a repeat has that one and no second effect. Else it is done again. */
  readonly remembersAnswer?: boolean;
  /** The account whose password the request tries, where it does: then it is throttled. */
  guesses?(input: z.output<Input>): string | undefined;
  /** Makes the answer of what the commit gave and was remembered, where the answer itself must not be stored. */
  recall?(
    context: Services & Pick<Context, "notes">,
    stored: Readonly<Record<string, unknown>>,
  ): Promise<z.output<Output>>;
  /** What its handler may fail with, beside what `errorsOf` knows of every procedure. */
  readonly errors?: readonly ErrorCode[];
  /** The request without its token, by the rules of this installation. */
  input(app: AppConfig): Input;
  readonly output: Output;
  /** A request without its token, and what may come of it, for the documentation. */
  readonly example: { readonly request: z.input<Input>; readonly reply: z.output<Output> };
  /** Whether the list in the reply is empty, which is 204 instead of 200. */
  isEmpty?(output: z.output<Output>): boolean;
  handler(context: Context<A>, input: z.output<Input>): Promise<z.output<Output>>;
}

/** The request that a procedure takes, with the token that its access asks for. */
export type RequestOf<P extends Procedure> = OrNull<
  FieldsOf<z.input<ReturnType<P["input"]>>> & TokenOf<P["access"]>
>;

/** `null` counts as absent, so each field that may be absent may be null. */
type OrNull<Fields> = {
  [Name in keyof Fields]: undefined extends Fields[Name] ? Fields[Name] | null : Fields[Name];
};

/** zod gives an empty object the type of one that may have no key at all, which no token fits into. */
type FieldsOf<Input> = string extends keyof Input ? unknown : Input;

/** What a procedure gives when it succeeds. */
export type ReplyOf<P extends Procedure> = z.output<P["output"]>;

type TokenOf<A extends Access> = A extends "public"
  ? unknown
  : A extends "id_token" | "any_id_token"
    ? { id_token: string }
    : A extends "optional"
      ? { access_token?: string | undefined }
      : { access_token: string };

/** What any request may meet. */
const ERRORS_OF_ALL: readonly ErrorCode[] = [
  "INVALID_JSON",
  "INVALID_INPUT",
  "REQUEST_TOO_LARGE",
  "INTERNAL",
  "UNAVAILABLE",
];

/** A procedure as it is written down; its parts must fit each other. */
export function defineProcedure<
  Name extends QueueName,
  A extends Access,
  Input extends z.ZodObject,
  Output extends z.ZodObject,
>(procedure: Procedure<Name, A, Input, Output>): Procedure<Name, A, Input, Output> {
  return procedure;
}

/** The field that carries the token of an access level; undefined where there is none. */
export function tokenField(access: Access): "id_token" | "access_token" | undefined {
  if (access === "public") return undefined;
  return access === "id_token" || access === "any_id_token" ? "id_token" : "access_token";
}

/** Every code that a failure of a procedure may have, in the order of the table. */
export function errorsOf(procedure: Procedure): ErrorCode[] {
  const { access, errors = [], remembersAnswer } = procedure;
  const possible = new Set<string>([...ERRORS_OF_ALL, ...errors]);
  if (access !== "public") possible.add("INVALID_TOKEN");
  if (access === "admin" || access === "self") possible.add("FORBIDDEN");
  if (procedure.guesses !== undefined) possible.add("TOO_MANY_ATTEMPTS");
  if (remembersAnswer === true) possible.add("IDEMPOTENCY_CONFLICT");
  return Object.keys(ERRORS).filter((code): code is ErrorCode => possible.has(code));
}

/** The schema of a whole request, for documentation: the input and the token. */
export function requestSchema(procedure: Procedure, app: AppConfig): z.ZodObject {
  const field = tokenField(procedure.access);
  const input = procedure.input(app);
  if (field === undefined) return input;
  const token = z.string().describe(field === "id_token" ? "from `login`" : "from `token`");
  return input.extend({ [field]: procedure.access === "optional" ? token.optional() : token });
}
