import { LOG_MESSAGES } from "../../src/observability/log-messages.ts";

const HEAD = "| message | level | cause | action |\n|---|---|---|---|";

/** The Markdown table of all log messages. */
export function logTables(): ReadonlyMap<string, string> {
  const rows = Object.entries(LOG_MESSAGES).map(
    ([message, { level, cause, action }]) => `| \`${message}\` | ${level} | ${cause} | ${action} |`,
  );
  return new Map([["log messages", [HEAD, ...rows].join("\n")]]);
}
