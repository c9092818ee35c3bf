import type { SpanDescription } from "../observability/tracing.ts";

const OPERATION = /^\s*(\w+)/;
const TABLE = /\b(?:from|into|update)\s+[`"]?(\w+)/i;

/** Innermost parentheses: the table of a subselect is not the table of the statement. */
const INNERMOST = /\([^()]*\)/g;

/** The span of a statement, by OpenTelemetry's database conventions; without SQL text and parameters. */
export function statementSpan(system: "mysql" | "sqlite", sql: string): SpanDescription {
  const operation = OPERATION.exec(sql)?.[1]?.toUpperCase() ?? "SQL";
  const table = TABLE.exec(withoutParentheses(sql))?.[1];
  return {
    name: table === undefined ? operation : `${operation} ${table}`,
    kind: "client",
    attributes: {
      "db.system.name": system,
      "db.operation.name": operation,
      ...(table === undefined ? {} : { "db.collection.name": table }),
    },
  };
}

function withoutParentheses(sql: string): string {
  const reduced = sql.replaceAll(INNERMOST, "");
  return reduced === sql ? sql : withoutParentheses(reduced);
}
