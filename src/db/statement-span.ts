import type { SpanDescription } from "../observability/tracing.ts";

const OPERATION = /^\s*(\w+)/;
const TABLE = /\b(?:from|into|update)\s+[`"]?(\w+)/i;

/** What stands in parentheses, without parentheses in it: a subselect is not what a statement is about. */
const INNERMOST = /\([^()]*\)/g;

/** What the span of a statement says: by OpenTelemetry's conventions for databases, without text and parameters. */
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
  const less = sql.replaceAll(INNERMOST, "");
  return less === sql ? sql : withoutParentheses(less);
}
