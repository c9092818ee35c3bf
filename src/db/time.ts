import type { SqlTime } from "./tables.ts";

/** A time in the form that both databases store and compare as text. */
export function toSqlTime(date: Date): SqlTime {
  return date.toISOString().replace("T", " ").slice(0, -1);
}

/** The time that a stored text represents. */
export function fromSqlTime(text: SqlTime): Date {
  return new Date(`${text.replace(" ", "T")}Z`);
}
