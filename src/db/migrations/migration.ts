/** A statement of a migration that has several, for servers that commit each of them by itself. */
export interface Step {
  /** A SELECT that finds a row if the step was done by an earlier run of the migration, which was interrupted. */
  readonly unless?: string;
  readonly run: string;
}

/**
 * A change of the schema in both dialects. MySQL and MariaDB commit each DDL statement by itself: a migration is one
 * statement, or steps that can be run again after an interruption. SQLite runs several statements as one.
 */
export interface Ddl {
  readonly mysql: string | readonly Step[];
  readonly sqlite: string | readonly string[];
}
