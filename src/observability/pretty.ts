import { prettyFactory } from "pino-pretty";
import { queueNames } from "../config/queues.ts";
import { toPrintable } from "./printable.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Adds colours to printable text. */
interface Colours {
  readonly dim: (text: string) => string;
  readonly bold: (text: string) => string;
  readonly code: (code: number, text: string) => string;
}

/** How many characters of an ID are shown, which distinguishes nearby lines; the JSON log has the whole ID. */
const ID_SHOWN = 8;

const LEVEL_WIDTH = 5;

/** Queue names are padded to one column. */
const QUEUE_WIDTH = Math.max(...queueNames().map((name) => name.length));

/** Fields that are not shown, or have their own place. */
const PLACED = ["level", "time", "pid", "msg", "err"];

/** Formats JSON log lines for a terminal; escapes all control sequences except its own colours. */
export function createPretty({ colours }: { colours: boolean }): (line: string) => string {
  return prettyFactory({
    colorize: colours,
    // The default colours the whole message, which has its own colours.
    customColors: "message:reset",
    useOnlyCustomProps: false,
    translateTime: "SYS:HH:MM:ss.l",
    // pino-pretty would write these unescaped before the message.
    ignore: "pid,hostname,name,caller",
    hideObject: true,
    customPrettifiers: {
      time: (time) => (typeof time === "string" ? escape(time) : ""),
      level: (_level, _key, _log, { label, labelColorized }) =>
        `${" ".repeat(Math.max(0, LEVEL_WIDTH - label.length))}${labelColorized}:`,
    },
    messageFormat: (log, _key, _label, { colors }) => {
      const plain = (text: string): string => text;
      const tint: Colours = colours
        ? {
            dim: colors.dim,
            bold: colors.bold,
            code: (code, text) => (code < 400 ? colors.green : code < 500 ? colors.yellow : colors.red)(text),
          }
        : { dim: plain, bold: plain, code: (_code, text) => text };
      return formatRecord(log, tint);
    },
  });
}

function formatRecord(log: Fields, tint: Colours): string {
  const isRequest = "queue" in log && typeof log["ms"] === "number";
  const text = isRequest ? formatRequest(log, tint) : formatOther(log, tint);
  return text + formatError(log["err"], tint);
}

/** The most important fields in columns, then all others. */
function formatRequest(log: Fields, tint: Colours): string {
  const { queue, code, ms, outcome, user, error, reason, reference, correlation_id: id, ...rest } = log;
  const columns = [
    tint.bold(formatValue(queue).padEnd(QUEUE_WIDTH)),
    typeof code === "number" ? tint.code(code, String(code)) : tint.dim("---"),
    tint.dim(`${Number(ms).toFixed(1).padStart(7)} ms`),
  ];
  for (const word of [user, outcome, error, reason]) if (word !== undefined) columns.push(formatValue(word));
  if (reference !== undefined) columns.push(`reference=${formatValue(reference)}`);
  columns.push(...formatFields(rest).map(tint.dim));
  if (id !== undefined) columns.push(tint.dim(`#${formatValue(shortId(id))}`));
  return columns.join(" ");
}

function formatOther({ msg, ...rest }: Fields, tint: Colours): string {
  return [escape(String(msg)), ...formatFields(rest).map(tint.dim)].join(" ");
}

function formatFields(fields: Fields): string[] {
  return Object.entries(fields)
    .filter(([key]) => !PLACED.includes(key))
    .map(([key, value]) => `${escape(key)}=${formatValue(key === "trace_id" ? shortId(value) : value)}`);
}

function shortId(id: unknown): string {
  return String(id).slice(0, ID_SHOWN);
}

/** The error with its causes, on the lines below. */
function formatError(error: unknown, tint: Colours): string {
  if (typeof error !== "object" || error === null) return "";
  const { message, stack, cause } = error as Fields; // any object has string keys
  const lines = String(stack ?? message).split("\n");
  return lines.map((line) => tint.dim(`\n    ${escape(line)}`)).join("") + formatError(cause, tint);
}

/** A value as JSON, without quotes around simple strings. */
function formatValue(value: unknown): string {
  if (typeof value === "string" && /^[\p{L}\p{N}_.:/@#-]+$/u.test(value)) return value;
  return toPrintable(JSON.stringify(value));
}

/** Text with escaped control characters. */
function escape(text: string): string {
  return toPrintable(JSON.stringify(text).slice(1, -1));
}
