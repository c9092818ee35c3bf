import { createRequire } from "node:module";
import { dirname, join } from "node:path";

type OpenCallback = (error: Error | null, ok?: unknown) => void;
type StepCallback = (error: Error | null, frame?: unknown) => void;

/** The handshake methods of amqplib's connection; not in its types. */
interface Handshake {
  step: (this: Handshake, callback: StepCallback) => void;
  open: (this: Handshake, fields: unknown, callback: OpenCallback) => void;
}

/**
 * Patches amqplib so that its error contains the broker's reason for refusing a connection. Otherwise amqplib drops the
 * reason of a `connection.close` that answers `connection.open` (missing vhost, missing permission, a limit).
 */
export function keepCloseReasons(): void {
  const prototype = connectionPrototype();
  if (prototype === undefined || PATCHED in prototype) return;
  const { open } = prototype;
  Object.assign(prototype, {
    [PATCHED]: true,
    open(this: Handshake, fields: unknown, callback: OpenCallback) {
      let last: unknown;
      const { step } = this;
      this.step = (next) =>
        step.call(this, (error, frame) => {
          last = frame;
          next(error, frame);
        });
      open.call(this, fields, (error, ok) => callback(error === null ? null : withReason(error, last), ok));
    },
  });
}

const PATCHED = Symbol.for("authmq.keepCloseReasons");

/** Undefined when a later amqplib has another structure: its errors then stay unchanged. */
function connectionPrototype(): Handshake | undefined {
  const load = createRequire(import.meta.url);
  try {
    // By path, because the package does not export this file.
    const file = join(dirname(load.resolve("amqplib")), "lib/connection.js");
    const { Connection } = load(file) as { Connection?: { prototype: Handshake } }; // checked below
    const prototype = Connection?.prototype;
    return typeof prototype?.open === "function" && typeof prototype.step === "function"
      ? prototype
      : undefined;
  } catch {
    return undefined;
  }
}

function withReason(error: Error, frame: unknown): Error {
  const { replyCode, replyText } = fieldsOf(frame);
  if (typeof replyCode !== "number" || typeof replyText !== "string") return error;
  const message = `Connection refused: ${replyCode} with message "${replyText}"`;
  return Object.assign(new Error(message, { cause: error }), { code: replyCode });
}

function fieldsOf(frame: unknown): { readonly replyCode?: unknown; readonly replyText?: unknown } {
  if (typeof frame !== "object" || frame === null || !("fields" in frame)) return {};
  return typeof frame.fields === "object" && frame.fields !== null ? frame.fields : {};
}
