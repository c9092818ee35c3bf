import type { SqlTime } from "./tables.ts";

/** A moment in the form that both databases store and compare as text. */
export function toSqlTime(date: Date): SqlTime {
  return date.toISOString().replace("T", " ").slice(0, -1);
}

/** The moment that a stored time means. */
export function fromSqlTime(text: SqlTime): Date {
  return new Date(`${text.replace(" ", "T")}Z`);
}
