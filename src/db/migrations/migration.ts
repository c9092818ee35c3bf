/** One statement of a migration with several, for servers that commit each one separately. */
export interface Step {
  /** A SELECT that returns a row if an interrupted run has already completed this step. */
  readonly unless?: string;
  readonly run: string;
}

/**
 * A schema change in both dialects. MySQL and MariaDB commit each DDL statement separately: a migration is one
 * statement, or steps that can be repeated after an interruption. SQLite runs several statements as one.
 */
export interface Ddl {
  readonly mysql: string | readonly Step[];
  readonly sqlite: string | readonly string[];
}
