import { prettyFactory } from "pino-pretty";
import { queueNames } from "../config/queues.ts";
import { toPrintable } from "./printable.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Puts colour on a text, which is printable already. */
interface Colours {
  readonly dim: (text: string) => string;
  readonly bold: (text: string) => string;
  readonly code: (code: number, text: string) => string;
}

/** Of an id so much tells it from others in sight; the whole one stands in JSON. */
const ID_SHOWN = 8;

const LEVEL_WIDTH = 5;

/** The names of queues make a column. */
const QUEUE_WIDTH = Math.max(...queueNames().map((name) => name.length));

/** In every line, or shown in a place of its own. */
const PLACED = ["level", "time", "pid", "msg", "err"];

/** Makes a line of JSON one for people: nothing in it is obeyed by a terminal but the colours, where they are wanted. */
export function createPretty({ colours }: { colours: boolean }): (line: string) => string {
  return prettyFactory({
    colorize: colours,
    // It colours all of a message, and this one has colours of its own.
    customColors: "message:reset",
    useOnlyCustomProps: false,
    translateTime: "SYS:HH:MM:ss.l",
    // It writes these before the message, as they are.
    ignore: "pid,hostname,name,caller",
    hideObject: true,
    customPrettifiers: {
      time: (time) => (typeof time === "string" ? clean(time) : ""),
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
      return describe(log, tint);
    },
  });
}

function describe(log: Fields, tint: Colours): string {
  const isRequest = "queue" in log && typeof log["ms"] === "number";
  const text = isRequest ? requestOf(log, tint) : otherOf(log, tint);
  return text + stackOf(log["err"], tint);
}

/** What one looks for first in a column of its own, then what there is beside it. */
function requestOf(log: Fields, tint: Colours): string {
  const { queue, code, ms, outcome, user, error, reason, reference, correlation_id: id, ...rest } = log;
  const columns = [
    tint.bold(shown(queue).padEnd(QUEUE_WIDTH)),
    typeof code === "number" ? tint.code(code, String(code)) : tint.dim("---"),
    tint.dim(`${Number(ms).toFixed(1).padStart(7)} ms`),
  ];
  for (const word of [user, outcome, error, reason]) if (word !== undefined) columns.push(shown(word));
  if (reference !== undefined) columns.push(`reference=${shown(reference)}`);
  columns.push(...pairsOf(rest).map(tint.dim));
  if (id !== undefined) columns.push(tint.dim(`#${shown(startOf(id))}`));
  return columns.join(" ");
}

function otherOf({ msg, ...rest }: Fields, tint: Colours): string {
  return [clean(String(msg)), ...pairsOf(rest).map(tint.dim)].join(" ");
}

function pairsOf(fields: Fields): string[] {
  return Object.entries(fields)
    .filter(([key]) => !PLACED.includes(key))
    .map(([key, value]) => `${clean(key)}=${shown(key === "trace_id" ? startOf(value) : value)}`);
}

function startOf(id: unknown): string {
  return String(id).slice(0, ID_SHOWN);
}

/** The error with its causes, below its line. */
function stackOf(error: unknown, tint: Colours): string {
  if (typeof error !== "object" || error === null) return "";
  const { message, stack, cause } = error as Fields; // any object can be read so
  const lines = String(stack ?? message).split("\n");
  return lines.map((line) => tint.dim(`\n    ${clean(line)}`)).join("") + stackOf(cause, tint);
}

/** A value as JSON, without quotes where they would tell nothing. */
function shown(value: unknown): string {
  if (typeof value === "string" && /^[\p{L}\p{N}_.:/@#-]+$/u.test(value)) return value;
  return toPrintable(JSON.stringify(value));
}

/** Text without what a terminal would obey. */
function clean(text: string): string {
  return toPrintable(JSON.stringify(text).slice(1, -1));
}
