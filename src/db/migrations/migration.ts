/** One DDL statement in both dialects: neither database can undo half of a migration. */
export interface Ddl {
  readonly mysql: string;
  readonly sqlite: string;
}
